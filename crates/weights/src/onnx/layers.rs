//! Convolutions, products with constants, norms, activations and pools.

use super::build::{Build, Inputs, Made, Value};
use super::constant::Constant;
use super::node::Node;
use super::shapes::axes;
use frbench_base::Size;
use frbench_engine::{Conv, NodeId};

/// The map that an operator works on.
fn map(inputs: Inputs<'_>) -> Result<NodeId, String> {
    match inputs.first() {
        Some(Some(Value::Map(x))) => Ok(*x),
        Some(Some(other)) => Err(format!("{} as its input, want a map", other.words())),
        _ => Err("no input".into()),
    }
}

/// The constant at a place.
fn constant<'a>(inputs: Inputs<'a>, at: usize, what: &str) -> Result<Option<&'a Constant>, String> {
    match inputs.get(at) {
        None | Some(None) => Ok(None),
        Some(Some(Value::Constant(constant))) => Ok(Some(constant)),
        Some(Some(_)) => Err(format!("{what} that is computed, want a constant")),
    }
}

fn needed<'a>(inputs: Inputs<'a>, at: usize, what: &str) -> Result<&'a Constant, String> {
    constant(inputs, at, what)?.ok_or_else(|| format!("no {what}"))
}

fn first(inputs: Inputs<'_>) -> Result<(&Value, NodeId), String> {
    match inputs.first() {
        Some(Some(value)) => Ok((value, value.node()?)),
        _ => Err("no input".into()),
    }
}

/// A window of a convolution or a pool: `(kernel, stride, padding)`; `kernel` is what it is unless
/// the node says so.
fn window(node: &Node, kernel: Size) -> Result<(Size, usize, usize), String> {
    let kernel = match node.ints("kernel_shape") {
        None => kernel,
        Some(sides) => match *sides {
            [height, width] => {
                let side = |n: i64| usize::try_from(n).map_err(|_| "a kernel below 0".to_string());
                [side(height)?, side(width)?].into()
            }
            _ => return Err(format!("a kernel of {sides:?}, want two sides")),
        },
    };
    let stride = node.equal("strides", 1)?;
    if node.equal("dilations", 1)? != 1 {
        return Err("dilation is not supported".into());
    }
    let pad = match node.text("auto_pad") {
        None | Some("NOTSET") => node.equal("pads", 0)?,
        Some("VALID") => 0,
        Some(other) => return Err(format!("`auto_pad` {other} is not supported")),
    };
    if kernel.area() == 0 || stride == 0 {
        return Err("a kernel or a stride of 0".into());
    }
    if node.int("ceil_mode", 0) != 0 {
        return Err("`ceil_mode` is not supported".into());
    }
    Ok((kernel, stride, pad))
}

/// A convolution with these weights.
fn convolve(
    b: &mut Build,
    x: NodeId,
    conv: Conv,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
) -> Result<NodeId, String> {
    let [h, w, c] = b.graph.shape(x);
    let fits = conv.groups > 0
        && conv.out > 0
        && c.is_multiple_of(conv.groups)
        && conv.out.is_multiple_of(conv.groups)
        && weight.len() == conv.out * (c / conv.groups) * conv.kernel.area()
        && conv.output_size([h, w].into()).is_some();
    if !fits {
        return Err(format!(
            "{} weights for {} channels out of {c}, a kernel of {} and {} groups, over {h} x {w} \
             pixels",
            weight.len(),
            conv.out,
            conv.kernel,
            conv.groups
        ));
    }
    let name = b.layer("conv");
    let Size { height, width } = conv.kernel;
    let shape = [conv.out, c / conv.groups, height, width];
    b.parameter(format!("{name}.weight"), &shape, weight)?;
    if let Some(bias) = bias {
        if bias.len() != conv.out {
            return Err(format!(
                "a bias of {} numbers for {} channels",
                bias.len(),
                conv.out
            ));
        }
        b.parameter(format!("{name}.bias"), &[conv.out], bias)?;
    }
    Ok(b.graph.conv(x, &name, conv))
}

pub fn conv(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let x = map(inputs)?;
    let weight = needed(inputs, 1, "weight")?;
    let bias = constant(inputs, 2, "a bias")?.map(Constant::floats);
    let &[out, _, height, width] = weight.shape.as_slice() else {
        return Err(format!(
            "a weight of {:?}, want four dimensions",
            weight.shape
        ));
    };
    let kernel = Size { height, width };
    let (stated, stride, pad) = window(node, kernel)?;
    if stated != kernel {
        return Err(format!(
            "a kernel of {stated} with weights of {kernel} pixels"
        ));
    }
    let [h, w, _] = b.graph.shape(x);
    if !kernel.is_square() && (kernel != Size::from([h, w]) || pad != 0) {
        return Err(format!(
            "a kernel of {kernel} over {h} x {w} pixels; square ones are supported, and those as \
             large as the map, without padding"
        ));
    }
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    let conv = Conv {
        out,
        kernel,
        stride,
        pad,
        groups,
        bias: bias.is_some(),
    };
    Ok(Value::Map(convolve(b, x, conv, weight.floats(), bias)?))
}

pub fn batch_norm(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let (value, x) = first(inputs)?;
    if matches!(value, Value::Last(_)) {
        return Err("channels last, want a map".into());
    }
    if node.int("training_mode", 0) != 0 {
        return Err("statistics of the batch, want those of the training".into());
    }
    let [h, w, _] = b.graph.shape(x);
    if matches!(value, Value::Flat(_)) && (h, w) != (1, 1) {
        return Err(format!(
            "norms of each of {h} x {w} pixels are not supported"
        ));
    }
    let part = |at: usize, what: &str| needed(inputs, at, what).map(Constant::floats);
    let (scale, shift) = (part(1, "scale")?, part(2, "shift")?);
    let (mean, mut var) = (part(3, "mean")?, part(4, "variance")?);
    // The engine's epsilon is 1e-5.
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    if epsilon != f64::from(1e-5f32) {
        let other = |v: &f32| (f64::from(*v) + epsilon - 1e-5) as f32;
        var = var.iter().map(other).collect();
    }
    if var.iter().any(|v| f64::from(*v) + 1e-5 <= 0.0) {
        return Err("a variance that is negative".into());
    }
    let made = b.norm(x, [scale, shift, mean, var])?;
    value.with(made)
}

/// PReLU and LeakyReLU.
pub fn prelu(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let (value, x) = first(inputs)?;
    let slope = match node.op.as_str() {
        "LeakyRelu" => vec![node.float("alpha", 0.01); b.graph.shape(x)[2]],
        _ => b.by_channel(value, needed(inputs, 1, "slope")?)?,
    };
    let [h, w, c] = b.graph.shape(x);
    if matches!(value, Value::Flat(_)) && (h, w) != (1, 1) && slope.iter().any(|s| *s != slope[0]) {
        return Err("slopes of flat vectors are not supported".into());
    }
    let name = b.layer("prelu");
    b.parameter(format!("{name}.weight"), &[c], slope)?;
    let made = b.graph.prelu(x, &name);
    value.with(made)
}

pub fn relu(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let (value, x) = first(inputs)?;
    let made = b.graph.relu(x);
    value.with(made)
}

pub fn sigmoid(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let (value, x) = first(inputs)?;
    let made = b.graph.sigmoid(x);
    value.with(made)
}

/// ReLU and ReLU6 under another name; lengths that are kept from 0 stay lengths.
pub fn clip(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let bound = |at: usize, name: &str, usual: f32| -> Result<f32, String> {
        let given = constant(inputs, at, "a bound")?;
        Ok(match given.map(Constant::floats).as_deref() {
            Some([bound]) => *bound,
            Some(_) => return Err("a bound that is no single number".into()),
            None => node.float(name, usual),
        })
    };
    let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
    const UNBOUNDED: f32 = 3.0e38;
    if let Some(Some(length @ Value::Length(_))) = inputs.first() {
        return match low <= 1e-4 && high >= UNBOUNDED {
            true => Ok(length.clone()),
            false => Err(format!("lengths within {low} and {high}")),
        };
    }
    let (value, x) = first(inputs)?;
    let made = match (low, high) {
        (0.0, 6.0) => b.graph.relu6(x),
        (0.0, high) if high >= UNBOUNDED => b.graph.relu(x),
        _ => {
            return Err(format!(
                "bounds {low} and {high}; 0 and 6, or 0 alone, are supported"
            ));
        }
    };
    value.with(made)
}

/// The mean over all pixels, which stay as one.
pub fn global_average(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    let x = map(inputs)?;
    Ok(Value::Map(b.graph.global_avg_pool(x)))
}

/// The mean over both sides, under its other name.
pub fn reduce_mean(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let x = map(inputs)?;
    let axes = axes(node, inputs)?;
    if !matches!(axes.as_slice(), [2, 3] | [-2, -1]) {
        return Err(format!(
            "a mean over the axes {axes:?}; 2 and 3 are supported"
        ));
    }
    let mean = b.graph.global_avg_pool(x);
    Ok(match node.int("keepdims", 1) {
        0 => Value::Flat(mean),
        _ => Value::Map(mean),
    })
}

pub fn average_pool(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let x = map(inputs)?;
    let [h, w, c] = b.graph.shape(x);
    let sides = node.ints("kernel_shape").unwrap_or_default();
    if sides == [h as i64, w as i64] && node.equal("pads", 0)? == 0 {
        return Ok(Value::Map(b.graph.global_avg_pool(x)));
    }
    let (kernel, stride, pad) = window(node, Size::square(0))?;
    if pad != 0 && node.int("count_include_pad", 0) == 0 {
        return Err("means that leave the padding out are not supported".into());
    }
    if !kernel.is_square() {
        return Err(format!(
            "means over {kernel} pixels; squares are supported, and the whole map"
        ));
    }
    // A filter of each channel with equal weights.
    let conv = Conv::new(c, kernel.height)
        .stride(stride)
        .pad(pad)
        .groups(c);
    let weight = 1.0 / kernel.area() as f32;
    b.charge(4 * c * kernel.area())?;
    let weights = vec![weight; c * kernel.area()];
    Ok(Value::Map(convolve(b, x, conv, weights, None)?))
}

/// Pools of one pixel: every so manieth.
pub fn max_pool(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    let x = map(inputs)?;
    match window(node, Size::square(0))? {
        (kernel, stride, 0) if kernel.area() == 1 => Ok(Value::Map(b.graph.subsample(x, stride))),
        (kernel, _, _) => Err(format!(
            "a maximum over {kernel} pixels, which the engine has not"
        )),
    }
}

pub fn gemm(b: &mut Build, node: &Node, inputs: Inputs<'_>) -> Made {
    if (node.float("alpha", 1.0), node.float("beta", 1.0)) != (1.0, 1.0)
        || node.int("transA", 0) != 0
    {
        return Err("factors, or a transposed input, are not supported".into());
    }
    let bias = constant(inputs, 2, "a bias")?.map(Constant::floats);
    linear(b, inputs, node.int("transB", 0) != 0, bias)
}

pub fn mat_mul(b: &mut Build, _: &Node, inputs: Inputs<'_>) -> Made {
    linear(b, inputs, false, None)
}

/// A product with a constant `[in, out]`, or `[out, in]` where it is transposed.
fn linear(b: &mut Build, inputs: Inputs<'_>, transposed: bool, bias: Option<Vec<f32>>) -> Made {
    let (value, x) = first(inputs)?;
    let Value::Flat(_) = value else {
        return Err(format!("{} as its input, want a vector", value.words()));
    };
    let weight = needed(inputs, 1, "weight")?;
    let &[rows, columns] = weight.shape.as_slice() else {
        return Err(format!(
            "a weight of {:?}, want two dimensions",
            weight.shape
        ));
    };
    let (into, out) = if transposed {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let features: usize = b.graph.shape(x).iter().product();
    if into != features || out == 0 {
        return Err(format!(
            "a weight of {into} to {out} numbers for vectors of {features}"
        ));
    }
    let numbers = weight.floats();
    let numbers = match transposed {
        true => numbers,
        false => {
            let transposed = (0..out).flat_map(|o| (0..into).map(move |i| i * out + o));
            transposed.map(|at| numbers[at]).collect()
        }
    };
    let name = b.layer("linear");
    b.parameter(format!("{name}.weight"), &[out, into], numbers)?;
    let with_bias = bias.is_some();
    if let Some(mut bias) = bias {
        if bias.len() == 1 {
            bias = vec![bias[0]; out];
        }
        if bias.len() != out {
            return Err(format!("a bias of {} numbers for {out}", bias.len()));
        }
        b.parameter(format!("{name}.bias"), &[out], bias)?;
    }
    Ok(Value::Flat(b.graph.linear(x, &name, out, with_bias)))
}
