//! ArcFace (Deng et al., CVPR 2019, eq. 3): `cos(theta + m)` for the target.

use super::angular::{Angular, EASY, MARGIN};
use super::margin::{SCALE, margin_softmax};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Proof};
use frbench_job::HeadSpec;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "arcface",
        summary: "additive angular margin, differentiated through the margin",
        source: "Deng et al., CVPR 2019, eq. 3; guarded and differentiated as in Face_Pytorch, \
                 CurricularFace and BoundaryFace (insightface's form is `combined-margin`)",
        params: &[SCALE, MARGIN, EASY],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "paper",
            source: "Deng et al., CVPR 2019",
            params: r#"{"s": 64, "m": 0.5}"#,
        },
        Preset {
            name: "boundaryface",
            source: "SWJTU-3DVision/BoundaryFace head/ArcFace.py",
            params: r#"{"s": 32, "m": 0.5}"#,
        },
        Preset {
            name: "sv-x-softmax",
            source: "SV-X-Softmax fc_layers.py (easy margin by default); s and m are the caller's",
            params: r#"{"s": 32, "m": 0.5, "easy_margin": true}"#,
        },
    ],
    build,
};

struct ArcFace {
    scale: f64,
    margin: Angular,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(ArcFace {
        scale: args.f64("s")?,
        margin: Angular::new(args.f64("m")?, args.bool_or("easy_margin", false)?),
    }))
}

impl Head for ArcFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        margin_softmax(input, self.scale, |c| self.margin.at(c))
    }
}
