//! MobileNetV2 for aligned faces, with torchvision's names for the body.

use super::{BackboneEntry, WIDTH, scaled};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result, Size};
use frbench_engine::{Affine, Conv, Graph, GraphBuilder, Init, NodeId};
use frbench_job::BackboneSpec;

pub(super) const ENTRY: BackboneEntry = BackboneEntry {
    info: Info {
        name: "mobilenetv2",
        summary: "MobileNetV2 body with a depthwise embedding layer: 2.9 M parameters",
        source: "Sandler et al. 2018, table 2; end as in MobileFaceNet (Chen et al. 2018)",
        params: &[
            WIDTH,
            Param {
                name: "stem_stride",
                kind: Kind::Int { min: 1, max: 2 },
                required: true,
                doc: "Stride of the first convolution: 2 as published for 224 x 224, 1 to keep \
                      resolution at 112 x 112 (four times the work).",
            },
        ],
    },
    proof: Proof::Recomputed,
    build: mobilenetv2,
};

/// Expansion, output channels, repeats, stride: table 2 of the paper.
const TABLE: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// The published body (17 inverted residuals, ReLU6), then, instead of average pooling, a
/// depthwise convolution over the whole map, a linear layer and a batch norm.
///
/// At 112 x 112 with 512 dimensions and width 1:
///
/// | `stem_stride` | last map | parameters | MACs |
/// |---|---|---|---|
/// | 2 | 4 x 4 | 2,903,296 | 0.08 G |
/// | 1 | 7 x 7 | 2,945,536 | 0.30 G |
///
/// Taps `stage1` to `stage5`: the last block at each resolution.
fn mobilenetv2(spec: &BackboneSpec, size: Size) -> Result<Graph> {
    let args = Args::new(&spec.name, &spec.params);
    let width = args.f64_or("width", 1.0)?;
    let stem = args.usize("stem_stride")?;
    if !(1..=2).contains(&stem) {
        return Err(Error::Usage(format!(
            "`mobilenetv2`: `stem_stride` is {stem}, want 1 or 2"
        )));
    }
    let mut b = GraphBuilder::new([size.height, size.width, 3]);
    b.initialise(Init::KaimingFanOut, Init::Normal(0.01));
    let first = Conv::new(scaled(32, width), 3).stride(stem);
    let x = b.input();
    let mut x = unit(&mut b, x, "features.0", ["0", "1"], first, true);
    let (mut index, mut stage) = (1, 1);
    for (expand, out, repeats, stride) in TABLE {
        if stride == 2 {
            b.tap(&format!("stage{stage}"), x);
            stage += 1;
        }
        for i in 0..repeats {
            let stride = if i == 0 { stride } else { 1 };
            x = inverted_residual(&mut b, x, index, expand, scaled(out, width), stride);
            index += 1;
        }
    }
    b.tap(&format!("stage{stage}"), x);
    let wide = scaled(1280, width.max(1.0));
    let x = unit(
        &mut b,
        x,
        &format!("features.{index}"),
        ["0", "1"],
        Conv::new(wide, 1),
        true,
    );
    let whole = Conv::whole(wide, b.shape(x)).groups(wide);
    let x = unit(&mut b, x, "embedding.0", ["0", "1"], whole, false);
    let x = b.linear(x, "embedding.1", spec.embedding, false);
    let x = b.batch_norm(x, "embedding.2", Affine::Learned);
    b.finish(x)
}

/// Convolution, batch norm, ReLU6 unless linear; `parts` name the first two under `name`.
fn unit(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    [conv_name, norm_name]: [&str; 2],
    conv: Conv,
    act: bool,
) -> NodeId {
    let x = b.conv(x, &format!("{name}.{conv_name}"), conv);
    let x = b.batch_norm(x, &format!("{name}.{norm_name}"), Affine::Learned);
    if act { b.relu6(x) } else { x }
}

fn inverted_residual(
    b: &mut GraphBuilder,
    x: NodeId,
    index: usize,
    expand: usize,
    out: usize,
    stride: usize,
) -> NodeId {
    let channels = b.shape(x)[2];
    let middle = channels * expand;
    let at = |i: usize| format!("features.{index}.conv.{i}");
    let mut y = x;
    let mut i = 0;
    if expand != 1 {
        y = unit(b, y, &at(0), ["0", "1"], Conv::new(middle, 1), true);
        i = 1;
    }
    let filter = Conv::new(middle, 3).stride(stride).groups(middle);
    y = unit(b, y, &at(i), ["0", "1"], filter, true);
    let (project, norm) = ((i + 1).to_string(), (i + 2).to_string());
    let name = format!("features.{index}.conv");
    y = unit(b, y, &name, [&project, &norm], Conv::new(out, 1), false);
    if stride == 1 && channels == out {
        b.add(y, x)
    } else {
        y
    }
}
