//! The combined margin of ArcFace, section 2.3: `cos(m1 theta + m2) - m3`.

use super::margin::{Margined, SCALE, margin_softmax, sine};
use super::{Head, HeadEntry, HeadInput, HeadOutput};
use crate::Result;
use crate::plan::spec::HeadSpec;
use crate::registry::{Args, Info, Kind, Param};
use std::f64::consts::FRAC_PI_2;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "combined-margin",
        summary: "cos(m1 theta + m2) - m3, without a guard for large angles",
        source: "Deng et al., CVPR 2019, section 2.3; with `target_gradient = \"identity\"` as \
                 insightface arcface_torch `CombinedMarginLoss`",
        params: &[
            SCALE,
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
    build,
};

struct CombinedMargin {
    scale: f64,
    m1: f64,
    m2: f64,
    m3: f64,
    exact: bool,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(CombinedMargin {
        scale: args.f64("s")?,
        m1: args.f64("m1")?,
        m2: args.f64("m2")?,
        m3: args.f64("m3")?,
        exact: args.text("target_gradient")? == "exact",
    }))
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
        margin_softmax(input, self.scale, |c| self.target(c))
    }
}
