//! Operators that move numbers without changing them, and those that compute shapes.

use super::build::{Build, Inputs, Made, Value, ints};
use super::constant::{Constant, Data};
use super::node::Node;
use std::sync::Arc;

fn only(inputs: Inputs<'_>) -> Result<&Value, String> {
    match inputs.first() {
        Some(Some(value)) => Ok(value),
        _ => Err("no input".into()),
    }
}

/// Operators that do nothing in evaluation.
pub fn same(_: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    only(inputs).cloned()
}

/// A cast to another type of floating point numbers; everything is computed in 32 bits.
pub fn cast(_: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let value = only(inputs)?;
    const FLOATS: [i64; 4] = [1, 10, 11, 16];
    const INTS: [i64; 2] = [6, 7];
    let fits = match value {
        Value::Constant(constant) => match constant.data {
            Data::Ints(_) => INTS.contains(&node.int("to", 0)),
            Data::Floats(_) => FLOATS.contains(&node.int("to", 0)),
        },
        _ => FLOATS.contains(&node.int("to", 0)),
    };
    match fits {
        true => Ok(value.clone()),
        false => Err(format!("a cast to ONNX's type {}", node.int("to", 0))),
    }
}

pub fn flatten(_: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    match (only(inputs)?, node.int("axis", 1)) {
        (Value::Map(x) | Value::Flat(x), 1) => Ok(Value::Flat(*x)),
        (value, axis) => Err(format!("{} from axis {axis} on", value.words())),
    }
}

/// The shape of a value; the number of images is 0, as a reshape writes what stays.
fn shape(b: &Build, value: &Value) -> Result<Vec<i64>, String> {
    let shape = |x| b.graph.shape(x).map(|side| side as i64);
    Ok(match value {
        Value::Map(x) => {
            let [h, w, c] = shape(*x);
            vec![0, c, h, w]
        }
        Value::Last(x) => {
            let [h, w, c] = shape(*x);
            vec![0, h, w, c]
        }
        Value::Flat(x) | Value::Unit(x) => vec![0, shape(*x).iter().product()],
        Value::Length(_) => vec![0, 1],
        Value::Constant(constant) => constant.shape.iter().map(|side| *side as i64).collect(),
    })
}

pub fn shape_of(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let shape = shape(b, only(inputs)?)?;
    Ok(Value::Constant(Arc::new(Constant::ints(shape))))
}

/// To a vector, or to a map of one pixel. Images stay apart.
pub fn reshape(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let value = only(inputs)?;
    let to = ints(inputs.get(1).and_then(Option::as_ref), "a shape")?;
    if let Value::Constant(constant) = value {
        return of_constant(constant, &to);
    }
    let from = shape(b, value)?;
    let count: i64 = from[1..].iter().product();
    let wrong = || format!("{} of {:?} to {to:?}", value.words(), &from[1..]);
    // The rest of a shape, with the numbers that are left out.
    let Some((_, rest)) = to.split_first() else {
        return Err(wrong());
    };
    let mut rest = rest.to_vec();
    for (at, side) in rest.iter_mut().enumerate() {
        if *side == 0 {
            *side = *from.get(at + 1).ok_or_else(wrong)?;
        }
    }
    let known: i64 = rest.iter().filter(|side| **side != -1).product();
    for side in &mut rest {
        if *side == -1 && known > 0 {
            *side = count / known;
        }
    }
    // `[-1, ...]` and `[1, ...]` keep images apart where the rest is all of an image.
    if rest.iter().product::<i64>() != count {
        return Err(wrong());
    }
    match (value, rest.as_slice()) {
        (Value::Map(x) | Value::Flat(x), [_]) => Ok(Value::Flat(*x)),
        (Value::Map(_), same) if *same == from[1..] => Ok(value.clone()),
        (Value::Flat(x), &[c, h, w]) if b.graph.shape(*x).map(|s| s as i64) == [h, w, c] => {
            Ok(Value::Map(*x))
        }
        _ => Err(wrong()),
    }
}

fn of_constant(constant: &Constant, to: &[i64]) -> Made {
    let count: usize = constant.shape.iter().product();
    let known: i64 = to.iter().filter(|side| **side != -1).product();
    let side = |side: &i64| match *side {
        -1 if known > 0 => usize::try_from(count as i64 / known).ok(),
        side => usize::try_from(side).ok(),
    };
    let shape: Option<Vec<usize>> = to.iter().map(side).collect();
    let fits = |shape: &Vec<usize>| {
        shape
            .iter()
            .try_fold(1usize, |n, side| n.checked_mul(*side))
            == Some(count)
    };
    match shape.filter(fits) {
        Some(shape) => Ok(Value::Constant(Arc::new(Constant {
            shape,
            data: constant.data.clone(),
        }))),
        None => Err(format!("a constant of {:?} to {to:?}", constant.shape)),
    }
}

/// The axes of an operator, sorted: an attribute at first, later an input.
pub fn axes(node: &Node, inputs: Inputs<'_>) -> Result<Vec<i64>, String> {
    let mut axes = match (node.ints("axes"), inputs.get(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(Some(axes))) => ints(Some(axes), "axes")?,
        _ => Vec::new(),
    };
    axes.sort_unstable();
    Ok(axes)
}

/// Drops or adds sides of one pixel.
pub fn squeeze(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let value = only(inputs)?;
    let axes = axes(node, inputs)?;
    let one = |x| {
        let [h, w, _] = b.graph.shape(x);
        (h, w) == (1, 1)
    };
    match (node.op.as_str(), value, axes.as_slice()) {
        ("Squeeze", Value::Map(x), [2, 3] | [-2, -1]) if one(*x) => Ok(Value::Flat(*x)),
        ("Unsqueeze", Value::Flat(x), [2, 3]) if one(*x) => Ok(Value::Map(*x)),
        // Numbers of a shape on their way.
        (_, Value::Constant(constant), [] | [0]) if constant.shape.len() <= 1 => {
            let shape = match node.op.as_str() {
                "Squeeze" => Vec::new(),
                _ => vec![constant.shape.iter().product()],
            };
            let data = constant.data.clone();
            Ok(Value::Constant(Arc::new(Constant { shape, data })))
        }
        // Slopes and scales get sides of one pixel.
        (_, Value::Constant(constant), axes) => reshaped(&node.op, constant, axes),
        _ => Err(format!("{} at the axes {axes:?}", value.words())),
    }
}

fn reshaped(op: &str, constant: &Constant, axes: &[i64]) -> Made {
    let mut shape = constant.shape.clone();
    for axis in axes {
        let at = usize::try_from(*axis).map_err(|_| "axes from the end".to_string())?;
        match op {
            "Unsqueeze" if at <= shape.len() => shape.insert(at, 1),
            _ => {
                return Err(format!(
                    "a constant of {:?} at the axes {axes:?}",
                    constant.shape
                ));
            }
        }
    }
    let data = constant.data.clone();
    Ok(Value::Constant(Arc::new(Constant { shape, data })))
}

/// Channels first to last and back, and matrices of constants.
pub fn transpose(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let permutation = node.ints("perm").unwrap_or_default();
    match (only(inputs)?, permutation) {
        (Value::Map(x), [0, 2, 3, 1]) => Ok(Value::Last(*x)),
        (Value::Last(x), [0, 3, 1, 2]) => Ok(Value::Map(*x)),
        (Value::Constant(constant), [1, 0] | []) if constant.shape.len() == 2 => {
            let &[rows, columns] = constant.shape.as_slice() else {
                return Err("a matrix".into());
            };
            b.charge(4 * rows.saturating_mul(columns))?;
            let numbers = constant.floats();
            let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
            Ok(Value::Constant(Arc::new(Constant {
                shape: vec![columns, rows],
                data: Data::Floats(turned.map(|at| numbers[at]).collect()),
            })))
        }
        (value, permutation) => Err(format!("{} by {permutation:?}", value.words())),
    }
}

pub fn gather(_: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let from = ints(inputs.first().and_then(Option::as_ref), "something")?;
    let at = ints(inputs.get(1).and_then(Option::as_ref), "an index")?;
    if node.int("axis", 0) != 0 {
        return Err("along another axis than the first".into());
    }
    let pick = |at: &i64| {
        let at = if *at < 0 {
            *at + from.len() as i64
        } else {
            *at
        };
        let found = usize::try_from(at).ok().and_then(|at| from.get(at));
        found
            .copied()
            .ok_or_else(|| format!("number {at} of {}", from.len()))
    };
    let picked = at.iter().map(pick).collect::<Result<Vec<i64>, _>>()?;
    Ok(Value::Constant(Arc::new(Constant::ints(picked))))
}

pub fn concat(_: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let mut all = Vec::new();
    for input in inputs {
        all.extend(ints(input.as_ref(), "a part")?);
    }
    match all.len() <= 16 {
        true => Ok(Value::Constant(Arc::new(Constant::ints(all)))),
        false => Err("a list of more than 16 numbers".into()),
    }
}
