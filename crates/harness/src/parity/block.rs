//! `block/*`: parts of a backbone on their own, in evaluation mode.
//!
//! `input.x` `[B, C, H, W]`, `weight.*` by their PyTorch names inside the block. The gradient is
//! that of `mean(y * y)`, with respect to `x` or to the weight of that name.

use super::check::LOSS;
use super::{Case, Check, Family, Operation, lookup, size};
use frbench_base::registry::Args;
use frbench_base::{Error, Result};
use frbench_engine::{GraphBuilder, Network, OutputGrads, StateDict, Value};
use frbench_methods::backbone::cbam_iresnet;

pub(super) const FAMILY: Family = Family {
    name: "block",
    find: |name| lookup(OPERATIONS, name),
    operations: || OPERATIONS.iter().map(|o| o.0).collect(),
};

/// Every block and what runs it: one line each.
static OPERATIONS: &[Operation] = &[("cbam-ir", cbam_ir)];

/// The residual unit of the CBAM-iResNet: `expect.y`, and its attention before the sigmoid,
/// `expect.channel` and `expect.spatial`. `out_channels` and `stride` are parameters; whether
/// the shortcut is a projection follows from the weights.
fn cbam_ir(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["in_channels", "out_channels", "stride", "loss"])?;
    let args = Args::new(&case.op, &case.params);
    let (channels, stride) = (args.usize("out_channels")?, args.usize("stride")?);
    let &[batch, inputs, h, w] = case.shape("input.x")? else {
        return Err(case.wrong("input.x", "should be `[B, C, H, W]`"));
    };
    if !(1..=64).contains(&stride) {
        return Err(Error::Usage(format!("`stride` is {stride}, want 1 to 64")));
    }
    let given = args.usize_or("in_channels", inputs)?;
    if given != inputs {
        return Err(Error::Usage(format!(
            "`in_channels` is {given}, but `input.x` has {inputs}"
        )));
    }
    size::check(
        case,
        &[
            ("activations", 32, &[batch, channels, h, w]),
            ("the input", 8, &[batch, inputs, h, w]),
            ("weights", 4, &[channels, inputs, 9]),
            ("weights", 4, &[channels, channels, 9]),
        ],
    )?;
    if args.text_or("loss", SCALAR)? != SCALAR {
        return Err(Error::Usage(format!("the gradient is that of `{SCALAR}`")));
    }
    let projects = case.has("weight.shortcut_layer.0.weight");
    if !projects && stride != 1 {
        return Err(Error::Usage(format!(
            "stride {stride} wants a projection as the shortcut"
        )));
    }
    let x = Value::from_tensor(&case.tensor("input.x")?)?;
    let [_, h, w, c] = x.shape();
    let mut b = GraphBuilder::new([h, w, c]);
    let image = b.input();
    let block = cbam_iresnet::block(&mut b, image, "", channels, projects.then_some(stride));
    for (name, node) in [
        ("y", block.out),
        ("channel", block.channel),
        ("spatial", block.spatial),
    ] {
        b.tap(name, node);
    }
    // A graph ends in a vector.
    let end = b.global_avg_pool(block.out);
    let mut network = Network::new(b.finish(end)?);
    let weights = case.names("weight").map(|name| {
        let tensor = format!("weight.{name}");
        Ok((
            name.to_string(),
            (case.shape(&tensor)?.to_vec(), case.f32(&tensor)?),
        ))
    });
    network
        .load_state_dict(&weights.collect::<Result<StateDict>>()?)
        .map_err(|e| Error::Compute(e.to_string()))?;

    let output = network.infer(&x)?;
    let mut checks = Vec::new();
    for name in case.names("expect") {
        let tap = output.taps.get(name);
        let tap = tap.ok_or_else(|| Error::Compute(format!("the block yields no `{name}`")))?;
        let tensor = format!("expect.{name}");
        checks.push(Check::tensor(case, &tensor, &tap.to_nchw()?)?);
    }

    let (output, tape) = network.trace_evaluation(&x)?;
    let y = output.taps["y"].to_nchw()?;
    let dy = Value::from_tensor(&(&y * (2.0 / y.elem_count() as f64))?)?;
    let grads = OutputGrads {
        embedding: None,
        taps: [("y".to_string(), dy)].into(),
    };
    let grads = network.gradients(tape, grads)?;
    for name in case.names("grad") {
        let tensor = format!("grad.{name}");
        checks.push(match name {
            "x" => Check::tensor(case, &tensor, &grads.input.to_nchw()?)?,
            _ => {
                let slot = network.params().slot(name);
                let slot =
                    slot.ok_or_else(|| Error::Compute(format!("the block has no `{name}`")))?;
                let grad = &grads.params[slot.offset..slot.offset + slot.len];
                let grad: Vec<f64> = grad.iter().map(|&g| f64::from(g)).collect();
                Check::relative(case, &tensor, &grad, LOSS)?
            }
        });
    }
    Ok(checks)
}

const SCALAR: &str = "mean(y*y)";
