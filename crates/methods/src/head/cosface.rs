//! CosFace (Wang et al., CVPR 2018, eq. 4), also known as AM-Softmax: `cos(theta) - m`.

use super::margin::{Margined, SCALE, margin_softmax};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_job::HeadSpec;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "cosface",
        summary: "additive cosine margin",
        source: "Wang et al., CVPR 2018, eq. 4",
        params: &[
            SCALE,
            Param {
                name: "m",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "margin on the cosine; 0.35 in the paper, 0.4 in insightface",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[
        Preset {
            name: "paper",
            source: "Wang et al., CVPR 2018",
            params: r#"{"s": 64, "m": 0.35}"#,
        },
        Preset {
            name: "insightface",
            source: "deepinsight/insightface recognition/arcface_torch/losses.py",
            params: r#"{"s": 64, "m": 0.4}"#,
        },
    ],
    build,
};

struct CosFace {
    scale: f64,
    margin: f64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(CosFace {
        scale: args.f64("s")?,
        margin: args.f64("m")?,
    }))
}

impl Head for CosFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        margin_softmax(input, self.scale, |c| Margined {
            value: c - self.margin,
            slope: 1.0,
        })
    }
}
