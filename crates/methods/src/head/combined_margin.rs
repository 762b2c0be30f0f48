//! The combined margin (Deng et al., ArcFace, CVPR 2019, eq. 4): `cos(m1 theta + m2) - m3`.

use super::margin::{Cosines, Margined, sine};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use std::f64::consts::FRAC_PI_2;

const fn scale(name: &'static str, doc: &'static str) -> Param {
    Param {
        name,
        kind: Kind::Float {
            min: 1.0,
            max: 1000.0,
        },
        required: false,
        doc,
    }
}

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "combined-margin",
        summary: "cos(m1 theta + m2) - m3, without a guard for large angles",
        source: "Deng et al., CVPR 2019, section 2.3; with `target_gradient = \"identity\"` as \
                 insightface arcface_torch `CombinedMarginLoss`",
        params: &[
            scale("s", "scale of all cosines; 64 in insightface. Or else:"),
            scale("s_p", "scale of the target's margined cosine"),
            scale("s_n", "scale of the other cosines"),
            Param {
                name: "m1",
                kind: Kind::Float { min: 0.1, max: 4.0 },
                required: true,
                doc: "factor on the angle (SphereFace); 1 is none",
            },
            Param {
                name: "m2",
                kind: Kind::Float {
                    min: 0.0,
                    max: FRAC_PI_2,
                },
                required: true,
                doc: "margin on the angle in radians (ArcFace); 0 is none",
            },
            Param {
                name: "m3",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "margin on the cosine (CosFace); 0 is none",
            },
            Param {
                name: "target_gradient",
                kind: Kind::Choice(&["exact", "identity"]),
                required: true,
                doc: "\"exact\" differentiates through the margin; \"identity\" lets the gradient \
                      of the target pass as if there were none, as insightface does",
            },
        ],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "insightface",
            source: "deepinsight/insightface recognition/arcface_torch/losses.py",
            params: r#"{"s": 64, "m1": 1, "m2": 0.5, "m3": 0, "target_gradient": "identity"}"#,
        },
        Preset {
            name: "paper",
            source: "Deng et al., CVPR 2019, CM1",
            params: r#"{"s": 64, "m1": 1, "m2": 0.3, "m3": 0.2, "target_gradient": "exact"}"#,
        },
    ],
    build,
};

struct CombinedMargin {
    /// Of the target, and of the other classes.
    scale: (f64, f64),
    m1: f64,
    m2: f64,
    m3: f64,
    exact: bool,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(CombinedMargin {
        scale: scales(&args)?,
        m1: args.f64("m1")?,
        m2: args.f64("m2")?,
        m3: args.f64("m3")?,
        exact: args.text("target_gradient")? == "exact",
    }))
}

fn scales(args: &Args) -> Result<(f64, f64)> {
    let stated = ["s", "s_p", "s_n"].map(|name| args.params.contains_key(name));
    match stated {
        [true, false, false] => Ok((args.f64("s")?, args.f64("s")?)),
        [false, true, true] => Ok((args.f64("s_p")?, args.f64("s_n")?)),
        _ => Err(Error::Usage(
            "`combined-margin`: want either `s`, or `s_p` and `s_n`".into(),
        )),
    }
}

impl CombinedMargin {
    fn target(&self, c: f64) -> Margined {
        if self.m1 == 1.0 && self.m2 == 0.0 {
            // A cosine margin alone needs no angle.
            return Margined {
                value: c - self.m3,
                slope: 1.0,
            };
        }
        let angle = self.m1 * libm::acos(c.clamp(-1.0, 1.0)) + self.m2;
        Margined {
            value: libm::cos(angle) - self.m3,
            slope: if self.exact {
                self.m1 * libm::sin(angle) / sine(c).1
            } else {
                1.0
            },
        }
    }
}

impl Head for CombinedMargin {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let (positive, negative) = self.scale;
        let cosines = Cosines::of(input)?;
        let targets = cosines.targets(positive, |c| self.target(c));
        cosines.plain_softmax(targets, negative)
    }
}
