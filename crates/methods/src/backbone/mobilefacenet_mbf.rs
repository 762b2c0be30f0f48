//! insightface's `mbf`: MobileFaceNet at double width, with its names.

use super::{BackboneEntry, WIDTH, scaled};
use frbench_base::registry::{Args, Info, Proof};
use frbench_base::{Result, Size};
use frbench_engine::{Affine, Conv, Graph, GraphBuilder, Init, NodeId};
use frbench_job::BackboneSpec;

pub(super) const ENTRY: BackboneEntry = BackboneEntry {
    info: Info {
        name: "mobilefacenet-mbf",
        summary: "insightface's mbf, MobileFaceNet at double width: 0.44 GMACs at 112",
        source: "insightface arcface_torch/backbones/mobilefacenet.py, get_mbf",
        params: &[WIDTH],
    },
    proof: Proof::GoldenAs("mobilefacenet"),
    build: mbf,
};

/// Taps `stage1` to `stage4`: the outputs at 1/2 (after the stem), 1/4, 1/8 and 1/16.
fn mbf(spec: &BackboneSpec, size: Size) -> Result<Graph> {
    let width = Args::new(&spec.name, &spec.params).f64_or("width", 1.0)?;
    // Even, because the stem's second convolution has two channels per group.
    let c = |channels: usize| scaled(channels / 2, width) * 2;
    let mut b = GraphBuilder::new([size.height, size.width, 3]);
    b.initialise(Init::KaimingFanOut, Init::KaimingFanOut);
    let x = b.input();
    let x = unit(&mut b, x, "layers.0", Conv::new(c(128), 3).stride(2), true);
    let x = unit(
        &mut b,
        x,
        "layers.1",
        Conv::new(c(128), 3).groups(c(128) / 2),
        true,
    );
    b.tap("stage1", x);
    let x = depthwise(&mut b, x, "layers.2", c(128), c(128), 2);
    let x = residual(&mut b, x, "layers.3", 4, c(128));
    b.tap("stage2", x);
    let x = depthwise(&mut b, x, "layers.4", c(256), c(256), 2);
    let x = residual(&mut b, x, "layers.5", 6, c(256));
    b.tap("stage3", x);
    let x = depthwise(&mut b, x, "layers.6", c(256), c(512), 2);
    let x = residual(&mut b, x, "layers.7", 2, c(256));
    b.tap("stage4", x);
    let x = unit(&mut b, x, "conv_sep", Conv::new(c(512), 1), true);
    let whole = Conv::whole(c(512), b.shape(x)).groups(c(512));
    let x = unit(&mut b, x, "features.layers.0", whole, false);
    let x = b.linear(x, "features.layers.2", spec.embedding, false);
    let x = b.batch_norm(x, "features.layers.3", Affine::Learned);
    b.finish(x)
}

/// Convolution, batch norm and, unless it is a linear unit, PReLU.
fn unit(b: &mut GraphBuilder, x: NodeId, name: &str, conv: Conv, act: bool) -> NodeId {
    let x = b.conv(x, &format!("{name}.layers.0"), conv);
    let x = b.batch_norm(x, &format!("{name}.layers.1"), Affine::Learned);
    if act {
        b.prelu(x, &format!("{name}.layers.2"))
    } else {
        x
    }
}

fn depthwise(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    out: usize,
    middle: usize,
    stride: usize,
) -> NodeId {
    let x = unit(
        b,
        x,
        &format!("{name}.layers.0"),
        Conv::new(middle, 1),
        true,
    );
    let filter = Conv::new(middle, 3).stride(stride).groups(middle);
    let x = unit(b, x, &format!("{name}.layers.1"), filter, true);
    unit(b, x, &format!("{name}.layers.2"), Conv::new(out, 1), false)
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
        let y = depthwise(b, x, &format!("{name}.layers.{i}"), out, middle, 1);
        x = b.add(y, x);
    }
    x
}
