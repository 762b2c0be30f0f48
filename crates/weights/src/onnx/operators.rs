//! The operators that are supported, a line each.

use super::build::{Build, Inputs, Made, Value};
use super::constant::{Beside, Constant, Data, constant};
use super::node::Node;
use super::{arithmetic, layers, shapes};
use std::sync::Arc;

type Operator = fn(&mut Build, &Node, Inputs<'_>) -> Made;

static OPERATORS: &[(&str, Operator)] = &[
    ("Add", arithmetic::add),
    ("AveragePool", layers::average_pool),
    ("BatchNormalization", layers::batch_norm),
    ("Cast", shapes::cast),
    ("Clip", layers::clip),
    ("Concat", shapes::concat),
    ("Conv", layers::conv),
    ("Div", arithmetic::div),
    ("Dropout", shapes::same),
    ("Expand", arithmetic::expand),
    ("Flatten", shapes::flatten),
    ("Gather", shapes::gather),
    ("Gemm", layers::gemm),
    ("GlobalAveragePool", layers::global_average),
    ("Identity", shapes::same),
    ("LeakyRelu", layers::prelu),
    ("LpNormalization", arithmetic::unit),
    ("MatMul", layers::mat_mul),
    ("MaxPool", layers::max_pool),
    ("Mul", arithmetic::mul),
    ("PRelu", layers::prelu),
    ("ReduceL2", arithmetic::length),
    ("ReduceMean", layers::reduce_mean),
    ("Relu", layers::relu),
    ("Reshape", shapes::reshape),
    ("Shape", shapes::shape_of),
    ("Sigmoid", layers::sigmoid),
    ("Squeeze", shapes::squeeze),
    ("Sub", arithmetic::sub),
    ("Transpose", shapes::transpose),
    ("Unsqueeze", shapes::squeeze),
];

/// Carries out a node.
///
/// # Errors
/// An operator that is not supported, or not in this use.
pub fn run(build: &mut Build, node: &Node, inputs: &[Option<Value>], beside: &mut Beside) -> Made {
    if node.op == "Constant" {
        let made = made(node, beside)?;
        build.charge(4 * made.shape.iter().product::<usize>())?;
        return Ok(Value::Constant(Arc::new(made)));
    }
    let line = OPERATORS.iter().find(|(name, _)| *name == node.op);
    let (_, run) = line.ok_or("it is not supported")?;
    run(build, node, inputs)
}

/// What a node `Constant` makes.
fn made(node: &Node, beside: &mut Beside) -> Result<Constant, String> {
    let floats = |floats: Vec<f32>, shape| Constant {
        shape,
        data: Data::Floats(floats),
    };
    if let Some(tensor) = node.tensor("value") {
        return constant(tensor, beside);
    }
    Ok(if node.has("value_float") {
        floats(vec![node.float("value_float", 0.0)], Vec::new())
    } else if let Some(all) = node.floats("value_floats") {
        floats(all.to_vec(), vec![all.len()])
    } else if node.has("value_int") {
        Constant {
            shape: Vec::new(),
            data: Data::Ints(vec![node.int("value_int", 0)]),
        }
    } else if let Some(all) = node.ints("value_ints") {
        Constant::ints(all.to_vec())
    } else {
        return Err("a constant of numbers in no form that is read".into());
    })
}
