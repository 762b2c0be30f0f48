//! ArcFace (Deng et al., CVPR 2019, eq. 3): `cos(theta + m)` for the target.

use super::margin::{Margined, SCALE, margin_softmax, sine};
use super::{Head, HeadEntry, HeadInput, HeadOutput};
use crate::Result;
use crate::plan::spec::HeadSpec;
use crate::registry::{Args, Info, Kind, Param};
use std::f64::consts::{FRAC_PI_2, PI};

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "arcface",
        summary: "additive angular margin, differentiated through the margin",
        source: "Deng et al., CVPR 2019, eq. 3; guarded and differentiated as in Face_Pytorch, \
                 CurricularFace and BoundaryFace (insightface's form is `combined-margin`)",
        params: &[
            SCALE,
            Param {
                name: "m",
                kind: Kind::Float {
                    min: 0.0,
                    max: FRAC_PI_2,
                },
                required: true,
                doc: "margin in radians; 0.5 in the paper",
            },
            Param {
                name: "easy_margin",
                kind: Kind::Bool,
                required: false,
                doc: "apply the margin where the cosine is positive and none elsewhere \
                      (default false: beyond an angle of pi - m the target is cos - m sin(m))",
            },
        ],
    },
    build,
};

struct ArcFace {
    scale: f64,
    margin: f64,
    easy: bool,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(ArcFace {
        scale: args.f64("s")?,
        margin: args.f64("m")?,
        easy: args.bool_or("easy_margin", false)?,
    }))
}

impl ArcFace {
    fn target(&self, c: f64) -> Margined {
        let m = self.margin;
        let inside = c > if self.easy { 0.0 } else { libm::cos(PI - m) };
        if inside {
            let (sin, divisor) = sine(c);
            Margined {
                value: c * libm::cos(m) - sin * libm::sin(m),
                slope: libm::cos(m) + c / divisor * libm::sin(m),
            }
        } else {
            let value = if self.easy {
                c
            } else {
                c - m * libm::sin(PI - m)
            };
            Margined { value, slope: 1.0 }
        }
    }
}

impl Head for ArcFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        margin_softmax(input, self.scale, |c| self.target(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(margin: f64, easy: bool) -> ArcFace {
        ArcFace {
            scale: 32.0,
            margin,
            easy,
        }
    }

    #[test]
    fn the_target_is_the_cosine_of_the_widened_angle() {
        for theta in [0.01f64, 0.7, 1.5, 2.6] {
            let got = head(0.5, false).target(theta.cos());
            assert!((got.value - (theta + 0.5).cos()).abs() < 1e-12);
            let slope = (theta + 0.5).sin() / theta.sin();
            assert!((got.slope - slope).abs() < 1e-9 * slope.abs().max(1.0));
        }
    }

    #[test]
    fn beyond_the_guard_the_target_is_a_shifted_cosine() {
        // theta = 2.8 > pi - 0.5
        let c = 2.8f64.cos();
        let got = head(0.5, false).target(c);
        assert!((got.value - (c - 0.5 * 0.5f64.sin())).abs() < 1e-12);
        assert_eq!(got.slope, 1.0);
    }

    #[test]
    fn the_easy_margin_leaves_negative_cosines_alone() {
        let eased = head(0.5, true).target(-0.1);
        assert_eq!((eased.value, eased.slope), (-0.1, 1.0));
        assert_eq!(head(0.5, true).target(0.1), head(0.5, false).target(0.1));
    }

    #[test]
    fn slopes_are_finite_at_the_poles() {
        for c in [1.0, 1.0 + 1e-7, -1.0] {
            let got = head(0.5, false).target(c);
            assert!(got.value.is_finite() && got.slope.is_finite(), "{c}");
        }
    }
}
