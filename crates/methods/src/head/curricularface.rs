//! CurricularFace (Huang et al., CVPR 2020, eq. 8 to 11): hard negatives weigh more as
//! training goes on.
//!
//! A negative above `cos(theta_y + m)` becomes `cos (t + cos)`, where `t` is the moving average
//! of the target cosines: updated before use, without a gradient. The mask uses the margin
//! without its guard, the target's logit with it, as in the authors' code.

use super::angular::{Angular, MARGIN};
use super::margin::{Cosines, Margined, SCALE, wrong_state};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_job::HeadSpec;
use std::collections::BTreeMap;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "curricularface",
        summary: "angular margin; hard negatives are weighted by a moving average",
        source: "Huang et al., CVPR 2020, eq. 8 to 11, as in the authors' code",
        params: &[
            SCALE,
            MARGIN,
            Param {
                name: "momentum",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: false,
                doc: "weight of a batch in the moving average (default 0.01, the authors' and \
                      FaceX-Zoo's; TFace has 0.1)",
            },
        ],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "authors",
            source: "HuangYG123/CurricularFace head/metrics.py",
            params: r#"{"s": 64, "m": 0.5, "momentum": 0.01}"#,
        },
        Preset {
            name: "tface",
            source: "Tencent/TFace recognition (moving average 0.1)",
            params: r#"{"s": 64, "m": 0.5, "momentum": 0.1}"#,
        },
        Preset {
            name: "boundaryface",
            source: "SWJTU-3DVision/BoundaryFace head/curricularMargin.py",
            params: r#"{"s": 32, "m": 0.5, "momentum": 0.01}"#,
        },
    ],
    build,
};

struct CurricularFace {
    scale: f64,
    margin: Angular,
    momentum: f64,
    /// Moving average of the target cosines.
    t: f64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(CurricularFace {
        scale: args.f64("s")?,
        margin: Angular::new(args.f64("m")?, false),
        momentum: args.f64_or("momentum", 0.01)?,
        t: 0.0,
    }))
}

impl Head for CurricularFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let cosines = Cosines::of(input)?;
        let clamped = cosines.target.iter().map(|c| c.clamp(-1.0, 1.0));
        let mean = clamped.sum::<f64>() / cosines.target.len() as f64;
        self.t = self.momentum * mean + (1.0 - self.momentum) * self.t;

        let (scale, t) = (self.scale, self.t);
        let thresholds = cosines.targets(1.0, |c| self.margin.unguarded(c));
        let negative = move |row: usize, c: f64| {
            if c > thresholds[row].value {
                Margined {
                    value: scale * c * (t + c),
                    slope: scale * (t + 2.0 * c),
                }
            } else {
                Margined {
                    value: scale * c,
                    slope: scale,
                }
            }
        };
        let targets = cosines.targets(scale, |c| self.margin.at(c));
        cosines.softmax(targets, negative, None)
    }

    fn state(&self) -> BTreeMap<String, Vec<f64>> {
        BTreeMap::from([("t".into(), vec![self.t])])
    }

    fn restore(&mut self, state: &BTreeMap<String, Vec<f64>>) -> Result<()> {
        match state.get("t").map(Vec::as_slice) {
            Some(&[t]) => self.t = t,
            _ => return Err(wrong_state(ENTRY.info.name, "t")),
        }
        Ok(())
    }
}
