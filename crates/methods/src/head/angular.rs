//! `cos(theta + m)` as a function of `cos(theta)`: the margin of ArcFace and of what builds on it.

use super::HeadInput;
use super::margin::{Cosines, Margined, sine};
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Kind, Param};
use std::f64::consts::{FRAC_PI_2, PI};

pub(super) const MARGIN: Param = Param {
    name: "m",
    kind: Kind::Float {
        min: 0.0,
        max: FRAC_PI_2,
    },
    required: true,
    doc: "margin in radians; 0.5 in ArcFace",
};

pub(super) const EASY: Param = Param {
    name: "easy_margin",
    kind: Kind::Bool,
    required: false,
    doc: "apply the margin where the cosine is positive and none elsewhere (default false: \
          beyond an angle of pi - m the target is cos - m sin(m))",
};

/// An angular margin `m` in radians and what stands in for it at large angles, where
/// `cos(theta + m)` would rise again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Angular {
    margin: f64,
    cos: f64,
    sin: f64,
    easy: bool,
}

impl Angular {
    pub fn new(margin: f64, easy: bool) -> Angular {
        Angular {
            margin,
            cos: libm::cos(margin),
            sin: libm::sin(margin),
            easy,
        }
    }

    /// `cos(theta + m)` whatever the angle.
    pub fn unguarded(&self, c: f64) -> Margined {
        let (sin, divisor) = sine(c);
        Margined {
            value: c * self.cos - sin * self.sin,
            slope: self.cos + c / divisor * self.sin,
        }
    }

    /// Whether the margin applies as such at this cosine.
    fn inside(&self, c: f64) -> bool {
        c > if self.easy {
            0.0
        } else {
            libm::cos(PI - self.margin)
        }
    }

    /// The guarded margin: increasing in the cosine from -1 to 1.
    pub fn at(&self, c: f64) -> Margined {
        if self.inside(c) {
            return self.unguarded(c);
        }
        let value = if self.easy {
            c
        } else {
            c - self.margin * libm::sin(PI - self.margin)
        };
        Margined { value, slope: 1.0 }
    }

    /// Derivative of [`Angular::at`] with respect to the margin.
    pub fn by_margin(&self, c: f64) -> f64 {
        if self.inside(c) {
            -(c * self.sin + sine(c).0 * self.cos)
        } else if self.easy {
            0.0
        } else {
            -(self.sin + self.margin * self.cos)
        }
    }
}

/// The mean cross-entropy of `scale cos(theta)`, with `cos(theta + m)` for the target, unguarded,
/// where every sample has an `m` of its own.
pub(crate) fn softmax_with(input: &HeadInput, scale: f64, margins: &[f64]) -> Result<Tensor> {
    let cosines = Cosines::of(input)?;
    let own = cosines.target.iter().zip(margins);
    let targets = own.map(|(&c, &m)| Angular::new(m, false).unguarded(c).scaled(scale));
    let targets = targets.collect();
    Ok(cosines.plain_softmax(targets, scale)?.loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_cosine_of_the_widened_angle() {
        for theta in [0.01f64, 0.7, 1.5, 2.6] {
            let got = Angular::new(0.5, false).at(theta.cos());
            assert!((got.value - (theta + 0.5).cos()).abs() < 1e-12);
            let slope = (theta + 0.5).sin() / theta.sin();
            assert!((got.slope - slope).abs() < 1e-9 * slope.abs().max(1.0));
        }
    }

    #[test]
    fn beyond_the_guard_the_target_is_a_shifted_cosine() {
        // theta = 2.8 > pi - 0.5
        let c = 2.8f64.cos();
        let got = Angular::new(0.5, false).at(c);
        assert!((got.value - (c - 0.5 * 0.5f64.sin())).abs() < 1e-12);
        assert_eq!(got.slope, 1.0);
    }

    #[test]
    fn the_easy_margin_leaves_negative_cosines_alone() {
        let eased = Angular::new(0.5, true).at(-0.1);
        assert_eq!((eased.value, eased.slope), (-0.1, 1.0));
        assert_eq!(
            Angular::new(0.5, true).at(0.1),
            Angular::new(0.5, false).at(0.1)
        );
    }

    #[test]
    fn slopes_are_finite_at_the_poles() {
        for c in [1.0, 1.0 + 1e-7, -1.0] {
            let got = Angular::new(0.5, false).at(c);
            assert!(got.value.is_finite() && got.slope.is_finite(), "{c}");
        }
    }

    #[test]
    fn the_slope_in_the_margin_is_that_of_finite_differences() {
        for easy in [false, true] {
            for c in [0.9, 0.1, -0.3, -0.95] {
                let at = |m: f64| Angular::new(m, easy).at(c).value;
                let numeric = (at(0.5 + 1e-6) - at(0.5 - 1e-6)) / 2e-6;
                let analytic = Angular::new(0.5, easy).by_margin(c);
                assert!((numeric - analytic).abs() < 1e-8, "{c} {easy}");
            }
        }
    }
}
