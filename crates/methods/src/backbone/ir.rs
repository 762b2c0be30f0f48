//! The IR networks of TFace, AdaFace and CVLface, and those of InsightFace_Pytorch, face.evoLVe and
//! FaceX-Zoo, plain and with squeeze and excitation, with their names. Two networks, one name:
//!
//! | | TFace, AdaFace, CVLface | InsightFace_Pytorch, ... |
//! |---|---|---|
//! | a block | BN, convolution, BN, PReLU, convolution, BN | BN, convolution, PReLU, convolution, BN |
//! | the last batch norm | without scale and shift | with both |
//! | dropout | 0.4 | 0.5 |
//!
//! The first block of every stage has stride 2, on its second convolution. Its shortcut is a
//! projection where the channels change, and else every other pixel.

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
        doc: "Dropout before the fully connected layer; as the authors have it by default: 0.4, \
              of the `-treb1en` networks 0.5.",
    },
    Param {
        name: "input_channels",
        kind: Kind::Int { min: 1, max: 1024 },
        required: false,
        doc: "Channels of the input; 3 by default, 189 for the frequencies of DCTDP.",
    },
];

/// What tells the networks apart.
struct Form {
    blocks: [usize; 4],
    /// Squeeze and excitation behind the residual.
    attention: bool,
    of: Family,
}

#[derive(Clone, Copy, PartialEq)]
enum Family {
    TFace,
    Treb1en,
}

macro_rules! network {
    ($id:ident, $name:literal, $family:ident, $summary:literal, $proof:expr, $attention:literal, $blocks:expr) => {
        pub(super) const $id: BackboneEntry = BackboneEntry {
            info: Info {
                name: $name,
                summary: $summary,
                source: match Family::$family {
                    Family::TFace => {
                        "Tencent/TFace torchkit/backbone/model_irse.py; the same in \
                         mk-minchul/AdaFace net.py and mk-minchul/CVLface models/iresnet"
                    }
                    Family::Treb1en => {
                        "TreB1eN/InsightFace_Pytorch model.py; the same in ZhaoJ9014/face.evoLVe, \
                         JDAI-CV/FaceX-Zoo ResNets.py and liufeng2915/CFSM"
                    }
                },
                params: PARAMS,
            },
            proof: $proof,
            build: |spec, size| {
                let form = Form {
                    blocks: $blocks,
                    attention: $attention,
                    of: Family::$family,
                };
                network(spec, size, &form)
            },
        };
    };
}

const D18: [usize; 4] = [2, 2, 2, 2];
const D34: [usize; 4] = [3, 4, 6, 3];
const D50: [usize; 4] = [3, 4, 14, 3];
const D100: [usize; 4] = [3, 13, 30, 3];

network!(
    IR18,
    "ir-18",
    TFace,
    "IR-18 of TFace, AdaFace and CVLface: 24.0 M parameters",
    Proof::Golden,
    false,
    D18
);
network!(
    IR34,
    "ir-34",
    TFace,
    "IR-34 of TFace, AdaFace and CVLface",
    Proof::DepthOf("ir-18"),
    false,
    D34
);
network!(
    IR50,
    "ir-50",
    TFace,
    "IR-50 of TFace, AdaFace and CVLface: 43.6 M parameters",
    Proof::Golden,
    false,
    D50
);
network!(
    IR101,
    "ir-101",
    TFace,
    "IR-101 of TFace, AdaFace and CVLface: 65.2 M parameters",
    Proof::DepthOf("ir-50"),
    false,
    D100
);
network!(
    SE18,
    "ir-se-18",
    TFace,
    "IR-18 of TFace with squeeze and excitation",
    Proof::DepthOf("ir-se-50"),
    true,
    D18
);
network!(
    SE34,
    "ir-se-34",
    TFace,
    "IR-34 of TFace with squeeze and excitation",
    Proof::DepthOf("ir-se-50"),
    true,
    D34
);
network!(
    SE50,
    "ir-se-50",
    TFace,
    "IR-SE-50 of TFace, AdaFace and CVLface",
    Proof::Golden,
    true,
    D50
);
network!(
    SE101,
    "ir-se-101",
    TFace,
    "IR-SE-101 of TFace, AdaFace and CVLface",
    Proof::DepthOf("ir-se-50"),
    true,
    D100
);
network!(
    T50,
    "ir-50-treb1en",
    Treb1en,
    "IR-50 of InsightFace_Pytorch, face.evoLVe and FaceX-Zoo",
    Proof::Golden,
    false,
    D50
);
network!(
    T100,
    "ir-100-treb1en",
    Treb1en,
    "IR-100 of InsightFace_Pytorch, face.evoLVe and FaceX-Zoo",
    Proof::DepthOf("ir-50-treb1en"),
    false,
    D100
);
network!(
    TSE50,
    "ir-se-50-treb1en",
    Treb1en,
    "IR-SE-50 of InsightFace_Pytorch, face.evoLVe, FaceX-Zoo and CFSM",
    Proof::Golden,
    true,
    D50
);
network!(
    TSE100,
    "ir-se-100-treb1en",
    Treb1en,
    "IR-SE-100 of InsightFace_Pytorch, face.evoLVe and FaceX-Zoo",
    Proof::DepthOf("ir-se-50-treb1en"),
    true,
    D100
);

/// Squeeze and excitation has a hidden layer of this many times fewer channels.
const REDUCTION: usize = 16;

/// Taps `stage1` to `stage4`: the outputs of the four stages.
fn network(spec: &BackboneSpec, size: Size, form: &Form) -> Result<Graph> {
    let args = Args::new(&spec.name, &spec.params);
    let width = args.f64_or("width", 1.0)?;
    let (dropout, last, init) = match form.of {
        Family::TFace => (0.4, Affine::None, Init::KaimingFanOut),
        Family::Treb1en => (0.5, Affine::Learned, Init::XavierUniform),
    };
    let dropout = args.f64_or("dropout", dropout)?;
    let mut b = GraphBuilder::new([size.height, size.width, args.usize_or("input_channels", 3)?]);
    b.initialise(init, init);
    let x = b.conv(b.input(), "input_layer.0", Conv::new(scaled(64, width), 3));
    let x = b.batch_norm(x, "input_layer.1", Affine::Learned);
    let mut x = b.prelu(x, "input_layer.2");
    let mut number = 0;
    for (stage, count) in form.blocks.into_iter().enumerate() {
        let channels = scaled(64 << stage, width);
        for i in 0..count {
            let stride = if i == 0 { 2 } else { 1 };
            x = block(&mut b, x, &format!("body.{number}"), channels, stride, form);
            number += 1;
        }
        b.tap(&format!("stage{}", stage + 1), x);
    }
    let x = b.batch_norm(x, "output_layer.0", Affine::Learned);
    let x = b.dropout(x, dropout);
    let x = b.linear(x, "output_layer.3", spec.embedding, true);
    let x = b.batch_norm(x, "output_layer.4", last);
    b.finish(x)
}

fn block(
    b: &mut GraphBuilder,
    x: NodeId,
    name: &str,
    channels: usize,
    stride: usize,
    form: &Form,
) -> NodeId {
    let at = |part: usize| format!("{name}.res_layer.{part}");
    let y = b.batch_norm(x, &at(0), Affine::Learned);
    let mut y = b.conv(y, &at(1), Conv::new(channels, 3));
    let mut next = 2;
    if form.of == Family::TFace {
        y = b.batch_norm(y, &at(2), Affine::Learned);
        next = 3;
    }
    let y = b.prelu(y, &at(next));
    let y = b.conv(y, &at(next + 1), Conv::new(channels, 3).stride(stride));
    let mut y = b.batch_norm(y, &at(next + 2), Affine::Learned);
    if form.attention {
        let place = match form.of {
            Family::TFace => format!("{name}.res_layer.se_block"),
            Family::Treb1en => at(next + 3),
        };
        y = attend(b, y, &place, channels);
    }
    let shortcut = if b.shape(x)[2] == channels {
        b.subsample(x, stride)
    } else {
        let projection = Conv::new(channels, 1).stride(stride);
        let s = b.conv(x, &format!("{name}.shortcut_layer.0"), projection);
        b.batch_norm(s, &format!("{name}.shortcut_layer.1"), Affine::Learned)
    };
    b.add(y, shortcut)
}

/// Squeeze and excitation (Hu et al., CVPR 2018): a gate for each channel from the means of all.
fn attend(b: &mut GraphBuilder, y: NodeId, name: &str, channels: usize) -> NodeId {
    let hidden = (channels / REDUCTION).max(1);
    let gate = b.global_avg_pool(y);
    let gate = b.conv(gate, &format!("{name}.fc1"), Conv::new(hidden, 1));
    let gate = b.relu(gate);
    let gate = b.conv(gate, &format!("{name}.fc2"), Conv::new(channels, 1));
    let gate = b.sigmoid(gate);
    b.mul(y, gate)
}
