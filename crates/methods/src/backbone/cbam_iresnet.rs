//! iResNet with convolutional block attention (CBAM), the network of A-SKD, with its names.

use super::{BackboneEntry, WIDTH, scaled};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Result, Size};
use frbench_engine::{Affine, Conv, Graph, GraphBuilder, Init, NodeId};
use frbench_job::BackboneSpec;

pub(super) const PARAMS: &[Param] = &[
    WIDTH,
    Param {
        name: "dropout",
        kind: Kind::Float {
            min: 0.0,
            max: 0.95,
        },
        required: false,
        doc: "Dropout before the fully connected layer; 0.4 by default, as the authors have it.",
    },
];

const SOURCE: &str = "gist-ailab/teaching-where-to-look model/backbone.py CBAMResNet (A-SKD, ECCV 2022; depths 50 and 100 are its own); Woo et al., CBAM, ECCV 2018, eqs. 1 to 3";

depth!(
    network,
    R18,
    "cbam-iresnet18",
    summary: "iResNet-18 with channel and spatial attention in every block",
    Proof::DepthOf("cbam-iresnet50"),
    [2, 2, 2, 2]
);
depth!(
    network,
    R34,
    "cbam-iresnet34",
    summary: "iResNet-34 with channel and spatial attention in every block",
    Proof::DepthOf("cbam-iresnet50"),
    [3, 4, 6, 3]
);
depth!(
    network,
    R50,
    "cbam-iresnet50",
    summary: "iResNet-50 with channel and spatial attention in every block",
    Proof::Golden,
    [3, 4, 14, 3]
);
depth!(
    network,
    R100,
    "cbam-iresnet100",
    summary: "iResNet-100 with channel and spatial attention in every block",
    Proof::DepthOf("cbam-iresnet50"),
    [3, 13, 30, 3]
);

/// The hidden layer of channel attention has this many times fewer channels.
const REDUCTION: usize = 16;

/// Taps `stage1` to `stage4`, the outputs of the four stages, and of every block the attention
/// before its sigmoid: `layer1.0.channel` `[1, 1, c]` and `layer1.0.spatial` `[h, w, 1]`, ...
fn network(spec: &BackboneSpec, size: Size, blocks: [usize; 4]) -> Result<Graph> {
    body(spec, size, blocks, |b, x, name, channels, project| {
        let attended = block(b, x, &format!("{name}."), channels, project);
        b.tap(&format!("{name}.channel"), attended.channel);
        b.tap(&format!("{name}.spatial"), attended.spatial);
        attended.out
    })
}

/// A network of four stages of such blocks. `block` is given its input, its name, its channels and
/// the stride of its projection; see [`block`]. Taps `stage1` to `stage4`.
pub(super) fn body(
    spec: &BackboneSpec,
    size: Size,
    blocks: [usize; 4],
    mut block: impl FnMut(&mut GraphBuilder, NodeId, &str, usize, Option<usize>) -> NodeId,
) -> Result<Graph> {
    let args = Args::new(&spec.name, &spec.params);
    let width = args.f64_or("width", 1.0)?;
    let dropout = args.f64_or("dropout", 0.4)?;
    let mut b = GraphBuilder::new([size.height, size.width, 3]);
    b.initialise(Init::XavierUniform, Init::XavierUniform);
    let x = b.conv(b.input(), "input_layer.0", Conv::new(scaled(64, width), 3));
    let x = b.batch_norm(x, "input_layer.1", Affine::Learned);
    let mut x = b.prelu(x, "input_layer.2");
    for (stage, count) in blocks.into_iter().enumerate() {
        let channels = scaled(64 << stage, width);
        for i in 0..count {
            let name = format!("layer{}.{i}", stage + 1);
            x = block(&mut b, x, &name, channels, (i == 0).then_some(2));
        }
        b.tap(&format!("stage{}", stage + 1), x);
    }
    let x = b.batch_norm(x, "output_layer.0", Affine::Learned);
    let x = b.dropout(x, dropout);
    let x = b.linear(x, "output_layer.3", spec.embedding, true);
    let x = b.batch_norm(x, "output_layer.4", Affine::Learned);
    b.finish(x)
}

/// What a block yields: its output, and its attention before the sigmoid.
pub struct Attended {
    pub out: NodeId,
    /// `[1, 1, c]`.
    pub channel: NodeId,
    /// `[h, w, 1]`.
    pub spatial: NodeId,
}

/// Improved residual unit with attention on its residual. `name` is the prefix of its
/// parameters. `project` is the stride of a block whose shortcut is a projection; the others
/// have stride 1 and the identity.
pub fn block(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    channels: usize,
    project: Option<usize>,
) -> Attended {
    let at = |part: &str| format!("{name}{part}");
    let y = residual(b, x, name, channels, project);

    // One perceptron for the mean and the maximum over the pixels; the two answers add up.
    let hidden = (channels / REDUCTION).max(1);
    let both = b.mean_max_pixels(y);
    let both = b.conv(
        both,
        &at("channel_layer.shared_mlp.0"),
        Conv::new(hidden, 1),
    );
    let both = b.relu(both);
    let both = b.conv(
        both,
        &at("channel_layer.shared_mlp.2"),
        Conv::new(channels, 1),
    );
    let channel = b.sum_pixels(both);
    let gate = b.sigmoid(channel);
    let y = b.mul(y, gate);

    let both = b.mean_max_channels(y);
    let spatial = b.conv(both, &at("spatial_layer.conv"), Conv::new(1, 3));
    let gate = b.sigmoid(spatial);
    let y = b.mul(y, gate);

    let shortcut = shortcut(b, x, name, channels, project);
    let out = b.add(y, shortcut);
    Attended {
        out,
        channel,
        spatial,
    }
}

/// The residual of a block before any attention.
pub(super) fn residual(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    channels: usize,
    project: Option<usize>,
) -> NodeId {
    let at = |part: &str| format!("{name}res_layer.{part}");
    let y = b.batch_norm(x, &at("0"), Affine::Learned);
    let y = b.conv(y, &at("1"), Conv::new(channels, 3));
    let y = b.batch_norm(y, &at("2"), Affine::Learned);
    let y = b.prelu(y, &at("3"));
    let stride = project.unwrap_or(1);
    let y = b.conv(y, &at("4"), Conv::new(channels, 3).stride(stride));
    b.batch_norm(y, &at("5"), Affine::Learned)
}

/// What the residual is added to.
pub(super) fn shortcut(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    channels: usize,
    project: Option<usize>,
) -> NodeId {
    let Some(stride) = project else {
        return x;
    };
    let conv = Conv::new(channels, 1).stride(stride);
    let s = b.conv(x, &format!("{name}shortcut_layer.0"), conv);
    b.batch_norm(s, &format!("{name}shortcut_layer.1"), Affine::Learned)
}
