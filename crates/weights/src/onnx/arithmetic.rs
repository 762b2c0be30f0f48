//! Sums, differences, products and quotients; lengths of vectors.

use super::build::{Build, Inputs, Made, Value};
use super::node::Node;
use super::shapes::axes;
use frbench_engine::NodeId;

fn both(inputs: Inputs<'_>) -> Result<(&Value, &Value), String> {
    match inputs {
        [Some(a), Some(b)] => Ok((a, b)),
        _ => Err("want two inputs".into()),
    }
}

/// The value that is no constant, with the numbers of the constant for each of its channels, and
/// whether the constant comes first.
fn with_constant(b: &Build, inputs: Inputs<'_>) -> Result<Option<(Value, Vec<f32>, bool)>, String> {
    Ok(match both(inputs)? {
        (Value::Constant(_), Value::Constant(_)) => None,
        (value, Value::Constant(c)) => Some((value.clone(), b.by_channel(value, c)?, false)),
        (Value::Constant(c), value) => Some((value.clone(), b.by_channel(value, c)?, true)),
        _ => None,
    })
}

fn scaled(b: &mut Build, value: &Value, scale: Vec<f32>, shift: Vec<f32>) -> Made {
    let made = b.scale(value.node()?, scale, shift)?;
    value.with(made)
}

/// The nodes of two values of one form.
fn alike(first: &Value, second: &Value) -> Result<(NodeId, NodeId), String> {
    match std::mem::discriminant(first) == std::mem::discriminant(second) {
        true => Ok((first.node()?, second.node()?)),
        false => Err(format!("{} with {}", first.words(), second.words())),
    }
}

pub fn add(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    if let Some((value, numbers, _)) = with_constant(b, inputs)? {
        return scaled(b, &value, vec![1.0; numbers.len()], numbers);
    }
    let (first, second) = both(inputs)?;
    let (x, y) = alike(first, second)?;
    if b.graph.shape(x) != b.graph.shape(y) {
        return Err(format!(
            "sums of {:?} and {:?}",
            b.graph.shape(x),
            b.graph.shape(y)
        ));
    }
    let sum = b.graph.add(x, y);
    first.with(sum)
}

pub fn sub(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    match with_constant(b, inputs)? {
        Some((value, numbers, true)) => scaled(b, &value, vec![-1.0; numbers.len()], numbers),
        Some((value, numbers, false)) => {
            let negative = numbers.iter().map(|n| -n).collect();
            scaled(b, &value, vec![1.0; numbers.len()], negative)
        }
        None => Err("differences of two computed values are not supported".into()),
    }
}

pub fn mul(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    if let Some((value, numbers, _)) = with_constant(b, inputs)? {
        let shift = vec![0.0; numbers.len()];
        return scaled(b, &value, numbers, shift);
    }
    let (first, second) = both(inputs)?;
    let (x, y) = alike(first, second)?;
    // The factor that is the same over pixels or channels comes second.
    let fits = |b: &Build, x: NodeId, y: NodeId| {
        let ([h, w, c], by) = (b.graph.shape(x), b.graph.shape(y));
        by == [h, w, c] || by == [1, 1, c] || by == [h, w, 1]
    };
    let (x, y) = if fits(b, x, y) { (x, y) } else { (y, x) };
    if !fits(b, x, y) {
        return Err(format!(
            "products of {:?} and {:?}",
            b.graph.shape(x),
            b.graph.shape(y)
        ));
    }
    let product = b.graph.mul(x, y);
    first.with(product)
}

pub fn div(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    match with_constant(b, inputs)? {
        Some((value, numbers, false)) => {
            let inverse: Vec<f32> = numbers
                .iter()
                .map(|n| (1.0 / f64::from(*n)) as f32)
                .collect();
            let shift = vec![0.0; inverse.len()];
            scaled(b, &value, inverse, shift)
        }
        Some(_) => Err("quotients of a constant are not supported".into()),
        None => match both(inputs)? {
            (Value::Flat(x), Value::Length(of)) if x == of => Ok(Value::Unit(*x)),
            (a, by) => Err(format!("{} by {}", a.words(), by.words())),
        },
    }
}

/// The lengths of vectors, with which they are divided at the end of a network.
pub fn length(_: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let Some(Some(Value::Flat(x))) = inputs.first() else {
        return Err("lengths of vectors are supported, and of nothing else".into());
    };
    let axes = axes(node, inputs)?;
    if !matches!(axes.as_slice(), [1] | [-1]) || node.int("keepdims", 1) != 1 {
        return Err(format!(
            "lengths over the axes {axes:?}; 1, kept, is supported"
        ));
    }
    Ok(Value::Length(*x))
}

pub fn unit(_: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    match inputs.first() {
        Some(Some(Value::Flat(x)))
            if node.int("p", 2) == 2 && [1, -1].contains(&node.int("axis", -1)) =>
        {
            Ok(Value::Unit(*x))
        }
        _ => Err("vectors are brought to unit length, and nothing else".into()),
    }
}

/// A broadcast of lengths changes nothing of them.
pub fn expand(_: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    match inputs.first() {
        Some(Some(length @ Value::Length(_))) => Ok(length.clone()),
        _ => Err("broadcasts of anything but lengths are not supported".into()),
    }
}
