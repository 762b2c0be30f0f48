//! What losses take of a tap.

use super::{Check, bound, map2};
use crate::settings::Precision;
use frbench_base::Result;

/// Fewer channels than a block has lanes, more than fit, that are read one by one and four at
/// once, and more than are added up in 32 bits.
const SHAPES: [[usize; 4]; 4] = [[3, 5, 7, 6], [2, 3, 3, 37], [3, 5, 7, 140], [1, 2, 3, 4100]];

impl Check<'_> {
    /// The mean over channels of a power, of more pixels than a block has.
    pub(super) fn powers(&mut self) -> Result<()> {
        for (shape, p) in SHAPES.iter().flat_map(|s| [1, 2, 3].map(|p| (*s, p))) {
            let (x, c) = (self.tensor(shape)?, shape[3]);
            let dy = self.floats(x.there.rows(), 0.0, 1.0)?;
            let mean = |x: &[f64]| x.iter().map(|x| x.powi(p)).sum::<f64>() / c as f64;
            let want: Vec<f64> = x.here.chunks(c).map(mean).collect();
            let got = self.gpu.channel_powers(&x.there, p as u32)?;
            let got = got.read::<f32>(0, want.len())?;
            // These are in 32 bits whatever they are of.
            let op = "powers of a tap, forward";
            self.row(op, &got, &want, bound(Precision::F32));
            let slope = |i: usize| dy.here[i / c] * f64::from(p) / c as f64 * x.here[i].powi(p - 1);
            let want: Vec<f64> = (0..x.here.len()).map(slope).collect();
            let gpu = self.gpu;
            let got = gpu.channel_powers_back(&x.there, &dy.there, p as u32)?;
            self.compare("powers of a tap, gradient", &got, &want)?;
        }
        Ok(())
    }

    /// The squared distance of a student's tap to a teacher's, which has a precision of its own:
    /// of fewer numbers than a block has threads to more than all blocks have.
    pub(super) fn distance(&mut self) -> Result<()> {
        let most = [2, 40, 41, 331];
        for (shape, low) in SHAPES
            .iter()
            .chain([&most])
            .flat_map(|s| [(*s, false), (*s, true)])
        {
            let a = self.tensor(shape)?;
            let values = self.draw(a.here.len(), 0.0, 1.0);
            let b = self.upload(shape, values, low)?;
            let gaps = map2(&a.here, &b.here, |a, b| a - b);
            let want: f64 = gaps.iter().map(|d| d * d).sum();
            let got = self.gpu.square_distance(&a.there, &b.there)?;
            let op = "distance of taps, forward";
            self.row(op, &[got as f32], &[want], bound(Precision::F32));
            let factor = 0.3f32;
            let want: Vec<f64> = gaps.iter().map(|d| f64::from(factor) * d).collect();
            let gpu = self.gpu;
            let got = gpu.square_distance_back(&a.there, &b.there, factor)?;
            self.compare("distance of taps, gradient", &got, &want)?;
        }
        Ok(())
    }
}
