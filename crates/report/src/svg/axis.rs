//! Scales and ticks.

/// How values are spread over the length of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Values must be positive.
    Log,
}

/// A range of values laid over a range of coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    pub scale: Scale,
    pub min: f64,
    pub max: f64,
    /// Coordinates of `min` and `max`.
    pub from: f64,
    pub to: f64,
}

impl Axis {
    /// An axis whose ends are round numbers around all finite `values`.
    pub fn around(scale: Scale, values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let usable = |v: &f64| v.is_finite() && (scale == Scale::Linear || *v > 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.into_iter().filter(usable) {
            min = min.min(v);
            max = max.max(v);
        }
        if min > max {
            (min, max) = (0.1, 1.0);
        }
        match scale {
            Scale::Linear => {
                if max - min < 1e-9 * max.abs().max(1e-9) {
                    let pad = max.abs() * 0.05;
                    (min, max) = match max {
                        0.0 => (0.0, 1.0),
                        _ => (min - pad, max + pad),
                    };
                }
                let step = step(max - min, 5.0);
                (min, max) = ((min / step).floor() * step, (max / step).ceil() * step);
            }
            Scale::Log => {
                (min, max) = (
                    10f64.powf(min.log10().floor()),
                    10f64.powf(max.log10().ceil()),
                );
                if min == max {
                    max *= 10.0;
                }
            }
        }
        Axis {
            scale,
            min,
            max,
            from,
            to,
        }
    }

    /// Without the part outside of `low` to `high`, where no value can be; the end of an interval
    /// that lies there is drawn at the limit. An axis that lies outside as a whole stays.
    pub fn within(mut self, (low, high): (f64, f64)) -> Self {
        if self.min < high && self.max > low {
            (self.min, self.max) = (self.min.max(low), self.max.min(high));
        }
        self
    }

    /// The coordinate of a value; values outside the range are moved to its ends.
    pub fn at(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.min) / (self.max - self.min),
            Scale::Log => {
                let low = self.min.log10();
                (value.max(self.min).log10() - low) / (self.max.log10() - low)
            }
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Values to mark, with their text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.max - self.min, 5.0);
                let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
                let first = (self.min / step).round() as i64;
                let last = (self.max / step).round() as i64;
                (first..=last)
                    .map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step)))
                    .collect()
            }
            Scale::Log => {
                let (first, last) = (
                    self.min.log10().round() as i32,
                    self.max.log10().round() as i32,
                );
                let every = ((last - first) as usize).div_ceil(7).max(1);
                (first..=last)
                    .step_by(every)
                    .map(|e| (10f64.powi(e), power(e)))
                    .collect()
            }
        }
    }
}

/// The text of a power of ten.
fn power(exponent: i32) -> String {
    match exponent {
        0..=3 => format!("{}", 10i64.pow(exponent as u32)),
        -2..=-1 => format!("{:.*}", -exponent as usize, 10f64.powi(exponent)),
        _ => format!("1e{exponent}"),
    }
}

/// A distance of 1, 2 or 5 times a power of ten that cuts `span` into about `parts`.
fn step(span: f64, parts: f64) -> f64 {
    let raw = span / parts;
    let magnitude = 10f64.powf(raw.log10().floor());
    let lead = raw / magnitude;
    magnitude
        * if lead <= 1.0 {
            1.0
        } else if lead <= 2.0 {
            2.0
        } else if lead <= 5.0 {
            5.0
        } else {
            10.0
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn linear_axes_end_at_round_numbers() {
        let axis = Axis::around(Scale::Linear, [88.31, 91.2, 93.97], 100.0, 200.0);
        assert_eq!((axis.min, axis.max), (88.0, 94.0));
        assert_eq!(labels(&axis), ["88", "90", "92", "94"]);
        assert_eq!(axis.at(91.0), 150.0);
        assert_eq!(axis.at(1000.0), 200.0);
    }

    #[test]
    fn log_axes_end_at_decades() {
        let axis = Axis::around(Scale::Log, [0.0, 3e-4, 1.0], 0.0, 40.0);
        assert_eq!(labels(&axis), ["1e-4", "1e-3", "0.01", "0.1", "1"]);
        assert!((axis.at(1e-3) - 10.0).abs() < 1e-9);
        assert_eq!(axis.at(0.0), 0.0);
    }

    #[test]
    fn rates_do_not_leave_their_range() {
        let around = |values: &[f64]| {
            let axis = Axis::around(Scale::Linear, values.iter().copied(), 0.0, 1.0);
            let axis = axis.within((0.0, 100.0));
            (axis.min, axis.max)
        };
        assert_eq!(around(&[0.0, 0.0]), (0.0, 1.0));
        assert_eq!(around(&[100.0, 100.0]), (94.0, 100.0));
        // An interval may, the axis does not.
        assert_eq!(around(&[99.0, 101.0]).1, 100.0);
        assert_eq!(around(&[-3.0, 12.0]).0, 0.0);
        assert_eq!(around(&[104.0, 106.0]), (104.0, 106.0));
    }

    #[test]
    fn no_spread_and_no_values_still_give_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![0.0], vec![5.0, 5.0]] {
            for scale in [Scale::Linear, Scale::Log] {
                let axis = Axis::around(scale, values.iter().copied(), 0.0, 1.0);
                assert!(axis.min < axis.max, "{values:?} {scale:?}");
                assert!(axis.ticks().len() >= 2 && axis.ticks().len() < 12);
            }
        }
    }
}
