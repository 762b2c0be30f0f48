//! MobileFaceNet at its original width (Chen et al. 2018, table 1), with the names of
//! InsightFace_Pytorch and FaceX-Zoo.

use super::{BackboneEntry, WIDTH, scaled};
use frbench_base::registry::{Args, Info, Proof};
use frbench_base::{Result, Size};
use frbench_engine::{Affine, Conv, Graph, GraphBuilder, Init, NodeId};
use frbench_job::BackboneSpec;

pub(super) const ENTRY: BackboneEntry = BackboneEntry {
    info: Info {
        name: "mobilefacenet",
        summary: "MobileFaceNet, original width: 1.20 M parameters, 0.23 GMACs at 112",
        source: "Chen et al. 2018, table 1; FaceX-Zoo and TreB1eN/InsightFace_Pytorch",
        params: &[WIDTH],
    },
    proof: Proof::Recomputed,
    build: mobilefacenet,
};

/// Taps `stage1` to `stage4`: the outputs at 1/2 (after the stem), 1/4, 1/8 and 1/16.
fn mobilefacenet(spec: &BackboneSpec, size: Size) -> Result<Graph> {
    let width = Args::new(&spec.name, &spec.params).f64_or("width", 1.0)?;
    let c = |channels: usize| scaled(channels, width);
    let mut b = GraphBuilder::new([size.height, size.width, 3]);
    b.initialise(Init::TorchDefault, Init::TorchDefault);
    let x = b.input();
    let x = unit(&mut b, x, "conv1", Conv::new(c(64), 3).stride(2), true);
    let x = unit(
        &mut b,
        x,
        "conv2_dw",
        Conv::new(c(64), 3).groups(c(64)),
        true,
    );
    b.tap("stage1", x);
    let x = bottleneck(&mut b, x, "conv_23", c(64), c(128), 2);
    let x = residual(&mut b, x, "conv_3", 4, c(128));
    b.tap("stage2", x);
    let x = bottleneck(&mut b, x, "conv_34", c(128), c(256), 2);
    let x = residual(&mut b, x, "conv_4", 6, c(256));
    b.tap("stage3", x);
    let x = bottleneck(&mut b, x, "conv_45", c(128), c(512), 2);
    let x = residual(&mut b, x, "conv_5", 2, c(256));
    b.tap("stage4", x);
    let x = unit(&mut b, x, "conv_6_sep", Conv::new(c(512), 1), true);
    let whole = Conv::whole(c(512), b.shape(x)).groups(c(512));
    let x = unit(&mut b, x, "conv_6_dw", whole, false);
    let x = b.linear(x, "linear", spec.embedding, false);
    let x = b.batch_norm(x, "bn", Affine::Learned);
    b.finish(x)
}

/// Convolution, batch norm and, unless it is a linear unit, PReLU.
fn unit(b: &mut GraphBuilder, x: NodeId, name: &str, conv: Conv, act: bool) -> NodeId {
    let x = b.conv(x, &format!("{name}.conv"), conv);
    let x = b.batch_norm(x, &format!("{name}.bn"), Affine::Learned);
    if act {
        b.prelu(x, &format!("{name}.prelu"))
    } else {
        x
    }
}

/// Expand, filter each channel, project.
fn bottleneck(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    out: usize,
    middle: usize,
    stride: usize,
) -> NodeId {
    let x = unit(b, x, &format!("{name}.conv"), Conv::new(middle, 1), true);
    let filter = Conv::new(middle, 3).stride(stride).groups(middle);
    let x = unit(b, x, &format!("{name}.conv_dw"), filter, true);
    unit(b, x, &format!("{name}.project"), Conv::new(out, 1), false)
}

fn residual(
    b: &mut GraphBuilder,
    mut x: NodeId,
    name: &str,
    count: usize,
    middle: usize,
) -> NodeId {
    for i in 0..count {
        let out = b.shape(x)[2];
        let y = bottleneck(b, x, &format!("{name}.model.{i}"), out, middle, 1);
        x = b.add(y, x);
    }
    x
}
