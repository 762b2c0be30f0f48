//! iResNet as in insightface's `arcface_torch/backbones/iresnet.py`, with its names.

use super::{BackboneEntry, WIDTH, scaled};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Result, Size};
use frbench_engine::{Affine, Conv, Graph, GraphBuilder, Init, NodeId};
use frbench_job::BackboneSpec;

const PARAMS: &[Param] = &[
    WIDTH,
    Param {
        name: "dropout",
        kind: Kind::Float {
            min: 0.0,
            max: 0.95,
        },
        required: false,
        doc: "Dropout before the fully connected layer; 0 by default.",
    },
];

const SOURCE: &str = "insightface arcface_torch/backbones/iresnet.py; He et al. 2016, Deng et al. 2019 (ArcFace), sec. 3.1";

depth!(
    iresnet,
    R18,
    "iresnet18",
    summary: "iResNet-18: 24.0 M parameters, 2.6 GMACs at 112",
    Proof::Golden,
    [2, 2, 2, 2]
);
depth!(
    iresnet,
    R34,
    "iresnet34",
    summary: "iResNet-34: 34.1 M parameters, 4.5 GMACs at 112",
    Proof::DepthOf("iresnet18"),
    [3, 4, 6, 3]
);
depth!(
    iresnet,
    R50,
    "iresnet50",
    summary: "iResNet-50: 43.6 M parameters, 6.3 GMACs at 112",
    Proof::DepthOf("iresnet18"),
    [3, 4, 14, 3]
);
depth!(
    iresnet,
    R100,
    "iresnet100",
    summary: "iResNet-100: 65.2 M parameters, 12.1 GMACs at 112",
    Proof::DepthOf("iresnet18"),
    [3, 13, 30, 3]
);

/// Taps `stage1` to `stage4`: the outputs of the four stages.
fn iresnet(spec: &BackboneSpec, size: Size, blocks: [usize; 4]) -> Result<Graph> {
    let args = Args::new(&spec.name, &spec.params);
    let width = args.f64_or("width", 1.0)?;
    let dropout = args.f64_or("dropout", 0.0)?;
    let mut b = GraphBuilder::new([size.height, size.width, 3]);
    b.initialise(Init::Normal(0.1), Init::TorchDefault);
    let x = b.conv(b.input(), "conv1", Conv::new(scaled(64, width), 3));
    let x = b.batch_norm(x, "bn1", Affine::Learned);
    let mut x = b.prelu(x, "prelu");
    for (stage, count) in blocks.into_iter().enumerate() {
        let channels = scaled(64 << stage, width);
        for i in 0..count {
            let stride = if i == 0 { 2 } else { 1 };
            x = block(
                &mut b,
                x,
                &format!("layer{}.{i}", stage + 1),
                channels,
                stride,
            );
        }
        b.tap(&format!("stage{}", stage + 1), x);
    }
    let x = b.batch_norm(x, "bn2", Affine::Learned);
    let x = b.dropout(x, dropout);
    let x = b.linear(x, "fc", spec.embedding, true);
    let x = b.batch_norm(x, "features", Affine::FrozenScale);
    b.finish(x)
}

/// Improved residual unit: BN, conv, BN, PReLU, strided conv, BN. The first of a stage has a
/// projection as its shortcut.
fn block(b: &mut GraphBuilder, x: NodeId, name: &str, channels: usize, stride: usize) -> NodeId {
    let at = |part: &str| format!("{name}.{part}");
    let y = b.batch_norm(x, &at("bn1"), Affine::Learned);
    let y = b.conv(y, &at("conv1"), Conv::new(channels, 3));
    let y = b.batch_norm(y, &at("bn2"), Affine::Learned);
    let y = b.prelu(y, &at("prelu"));
    let y = b.conv(y, &at("conv2"), Conv::new(channels, 3).stride(stride));
    let y = b.batch_norm(y, &at("bn3"), Affine::Learned);
    let shortcut = if stride == 1 {
        x
    } else {
        let s = b.conv(
            x,
            &at("downsample.0"),
            Conv::new(channels, 1).stride(stride),
        );
        b.batch_norm(s, &at("downsample.1"), Affine::Learned)
    };
    b.add(y, shortcut)
}
