//! The curve that the development kit of MegaFace writes, from which published rates were read.
//!
//! Genuine are the unordered pairs of a person's probes, impostor the distractor scores of the first
//! 100 probes. From the highest score on a point is written when the true accept rate has grown by more
//! than 0.01 since the last one. A genuine pair comes before an impostor score that is equal to it.
//! Between points the rate is interpolated, linear in the false accept rate.

use super::super::search::{self, Gallery, Ladder, Vectors};
use frbench_base::Result;
use frbench_engine::Device;

/// Probes whose distractor scores are impostor scores.
pub const PROBES: usize = 100;
/// By how much the true accept rate grows from point to point.
const STEP: f64 = 0.01;

/// Points `(false accept rate, true accept rate)` of the curve, from the origin to (1, 1).
///
/// `genuine` are the scores of unordered pairs, `lost` the number of those that could not be compared;
/// of each of the `first` probes there are `filled` distractor scores that are not in the gallery.
///
/// # Errors
/// Those of the device.
pub fn curve(
    device: &Device,
    (mut genuine, lost): (Vec<f64>, usize),
    first: &Vectors,
    gallery: Gallery,
    filled: Option<(usize, f64)>,
) -> Result<Vec<(f64, f64)>> {
    genuine.sort_unstable_by(|a, b| b.total_cmp(a));
    let pairs = (genuine.len() + lost) as f64;
    let mut written: Vec<(f64, f64)> = Vec::new();
    let mut last = 0.0;
    for (k, score) in genuine.iter().enumerate() {
        let rate = (k + 1) as f64 / pairs;
        if rate - last > STEP {
            written.push((*score, rate));
            last = rate;
        }
    }
    let steps: Vec<f64> = written.iter().map(|w| w.0).collect();
    let mut ladders = vec![Ladder::new(steps); first.len()];
    search::run(device, first, &mut ladders, gallery, 0)?;
    let (more, score) = filled.unwrap_or((0, 0.0));
    let impostors = ((gallery.rows.len() + more) * first.len()) as f64;
    let mut points = vec![(0.0, 0.0)];
    points.extend(written.iter().map(|&(step, rate)| {
        let above = ladders.iter().map(|l| {
            let k = l.scores.partition_point(|&s| s < step);
            l.above[k] + if score > step { more as u64 } else { 0 }
        });
        (above.sum::<u64>() as f64 / impostors, rate)
    }));
    points.push((1.0, 1.0));
    Ok(points)
}

/// The true accept rate at a false accept rate, read off the curve.
pub fn read(points: &[(f64, f64)], far: f64) -> f64 {
    let next = points.partition_point(|p| p.0 <= far);
    match (points.get(next.wrapping_sub(1)), points.get(next)) {
        (Some(a), Some(b)) => a.1 + (far - a.0) / (b.0 - a.0) * (b.1 - a.1),
        (Some(a), None) => a.1,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn rates_are_read_between_points() {
        let points = [(0.0, 0.0), (0.0, 0.4), (0.2, 0.6), (1.0, 1.0)];
        assert_eq!(read(&points, 0.0), 0.4);
        assert!((read(&points, 0.1) - 0.5).abs() < 1e-12);
        assert_eq!(read(&points, 0.2), 0.6);
        assert_eq!(read(&points, 1.0), 1.0);
    }
}
