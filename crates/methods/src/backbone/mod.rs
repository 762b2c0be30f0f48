//! Network architectures: one file each, one line each in [`BACKBONES`].

/// One depth of a family of residual networks, from the file's `PARAMS` and `SOURCE`: the
/// function that builds it; the constant, name, summary and proof of its entry; blocks per stage.
macro_rules! depth {
    ($build:ident, $id:ident, $name:literal, summary: $summary:literal, $proof:expr, $blocks:expr) => {
        pub(super) const $id: BackboneEntry = BackboneEntry {
            info: Info {
                name: $name,
                summary: $summary,
                source: SOURCE,
                params: PARAMS,
            },
            proof: $proof,
            build: |spec, size| $build(spec, size, $blocks),
        };
    };
}

pub mod cbam_iresnet;
mod ir;
mod iresnet;
mod mobilefacenet;
mod mobilefacenet_mbf;
mod mobilenetv2;
mod res_ir;

use frbench_base::entries;
use frbench_base::registry::{self, Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result, Size};
use frbench_engine::Graph;
use frbench_job::BackboneSpec;

/// A line of the table of backbones.
pub struct BackboneEntry {
    pub info: Info,
    pub proof: Proof,
    /// The graph for an RGB input of the given size.
    pub build: fn(&BackboneSpec, Size) -> Result<Graph>,
}

/// The parameter that scales a network's channels.
const WIDTH: Param = Param {
    name: "width",
    kind: Kind::Float {
        min: 0.05,
        max: 4.0,
    },
    required: false,
    doc: "Multiplier of all channel counts; 1 by default.",
};

entries! {
    /// Every backbone a suite may name.
    pub static BACKBONES: BackboneEntry, ORIGINS = [
        cbam_iresnet::R18,
        cbam_iresnet::R34,
        cbam_iresnet::R50,
        cbam_iresnet::R100,
        ir::IR18,
        ir::IR34,
        ir::IR50,
        ir::IR101,
        ir::SE18,
        ir::SE34,
        ir::SE50,
        ir::SE101,
        ir::T50,
        ir::T100,
        ir::TSE50,
        ir::TSE100,
        iresnet::R18,
        iresnet::R34,
        iresnet::R50,
        iresnet::R100,
        mobilefacenet::ENTRY,
        mobilefacenet_mbf::ENTRY,
        mobilenetv2::ENTRY,
        res_ir::R50 built_on ["backbone/cbam_iresnet"],
        res_ir::R100 built_on ["backbone/cbam_iresnet"],
    ]
}

/// The graph that `spec` describes, for inputs of this size in pixels.
///
/// # Errors
/// [`Error::Usage`] for an unknown backbone, a parameter outside of its range, and sides that are no
/// multiples of 16.
pub fn build(spec: &BackboneSpec, size: impl Into<Size>) -> Result<Graph> {
    let size = size.into();
    let entry = registry::named(BACKBONES, |b| b.info.name, "backbone", &spec.name)?;
    let fail = |why: &str| Err(Error::Usage(format!("backbone `{}`: {why}", spec.name)));
    if let Some(side) = [size.height, size.width]
        .into_iter()
        .find(|side| *side < 16 || !side.is_multiple_of(16))
    {
        return fail(&format!(
            "the input's side is {side}, want a multiple of 16"
        ));
    }
    if spec.embedding == 0 {
        return fail("the embedding needs at least one dimension");
    }
    for param in entry.info.params {
        if let Kind::Float { min, max } = param.kind {
            let value = Args::new(&spec.name, &spec.params).f64_or(param.name, min)?;
            if !(min..=max).contains(&value) {
                return fail(&format!("`{}` is {value}, want {min} to {max}", param.name));
            }
        }
    }
    let mut graph = (entry.build)(spec, size)?;
    graph.conv = spec.conv;
    Ok(graph)
}

/// Channels under a width multiplier, at least 8.
fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width).round() as usize).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;
    use frbench_engine::{Network, TrainMode, Value};
    use serde_json::json;

    fn net(name: &str, params: serde_json::Value, size: Size) -> Network {
        let spec = BackboneSpec {
            name: name.into(),
            embedding: 512,
            params: serde_json::from_value(params).unwrap(),
            conv: Default::default(),
        };
        Network::new(build(&spec, size).unwrap())
    }

    #[test]
    fn the_ends_follow_the_input_size() {
        for entry in BACKBONES {
            for size in [Size::square(32), Size::square(64), [64, 48].into()] {
                let mut params = json!({"width": 0.25});
                if entry.info.name == "mobilenetv2" {
                    params["stem_stride"] = json!(2);
                }
                let n = net(entry.info.name, params, size);
                assert_eq!(n.graph().embedding_size(), 512, "{}", entry.info.name);
            }
        }
        let spec = BackboneSpec {
            name: "iresnet18".into(),
            embedding: 512,
            params: Default::default(),
            conv: Default::default(),
        };
        assert_eq!(build(&spec, 100).unwrap_err().exit_code(), 2);
        let wide = BackboneSpec {
            params: [("width".to_owned(), json!(-1.0))].into(),
            ..spec
        };
        let error = build(&wide, 112).unwrap_err();
        assert!(error.to_string().contains("`width` is -1"), "{error}");
    }

    #[test]
    fn fusion_changes_nothing_in_any_backbone() {
        for entry in BACKBONES {
            let name = entry.info.name;
            let mut params = json!({"width": 0.125});
            if name == "mobilenetv2" {
                params["stem_stride"] = json!(2);
            }
            let spec = BackboneSpec {
                name: name.into(),
                embedding: 16,
                params: serde_json::from_value(params).unwrap(),
                conv: Default::default(),
            };
            let graph = build(&spec, 32).unwrap();
            let apart = graph.with_every_tap();
            let mut net = Network::new(graph);
            net.init(4);
            let mut stream = Stream::derive(1, "x", &[]);
            let x = (0..6 * 32 * 32 * 3)
                .map(|_| stream.normal() as f32)
                .collect();
            let x = Value::new([6, 32, 32, 3], x).unwrap();
            let mode = TrainMode {
                bn_group: 6,
                seed: 0,
                step: 0,
            };
            for _ in 0..20 {
                net.forward_train(&x, mode).unwrap();
            }
            let mut plain = Network::new(apart);
            plain.load_state_dict(&net.state_dict()).unwrap();
            let distance = |a: &Value, b: &Value| {
                let d: f32 = a
                    .data()
                    .iter()
                    .zip(b.data())
                    .map(|(a, b)| (a - b).powi(2))
                    .sum();
                (d / a.data().iter().map(|a| a * a).sum::<f32>()).sqrt()
            };
            let (a, b) = (plain.infer(&x).unwrap(), net.infer(&x).unwrap());
            let off = distance(&a.embedding, &b.embedding);
            assert!(off < 1e-4, "{name}: evaluation: {off}");
            let a = plain.forward_train(&x, mode).unwrap().0;
            let b = net.forward_train(&x, mode).unwrap().0;
            let off = distance(&a.embedding, &b.embedding);
            assert!(off < 1e-4, "{name}: training: {off}");
        }
    }
}
