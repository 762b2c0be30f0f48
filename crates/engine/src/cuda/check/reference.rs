//! What operations compute, in plain loops and 64 bits: what the GPU is held
//! against. Tensors are NHWC like there.

use crate::ops::act::{PRELU, RELU, RELU6};
use crate::ops::conv::Shape;
use crate::ops::norm::EPS;
use frbench_base::Size;

/// Calls `f` with the places in input, filter and output of every product of a convolution.
pub(super) fn products(s: &Shape, mut f: impl FnMut(usize, usize, usize)) {
    let (ci, co) = (s.ci / s.groups, s.co / s.groups);
    for n in 0..s.n {
        for (oy, ox) in (0..s.oh).flat_map(|y| (0..s.ow).map(move |x| (y, x))) {
            for k in 0..s.co {
                let y = ((n * s.oh + oy) * s.ow + ox) * s.co + k;
                for (r, q) in taps(s) {
                    let (iy, ix) = (oy * s.stride + r, ox * s.stride + q);
                    if iy < s.pad || ix < s.pad || iy - s.pad >= s.h || ix - s.pad >= s.w {
                        continue;
                    }
                    let pixel = (n * s.h + iy - s.pad) * s.w + ix - s.pad;
                    for c in 0..ci {
                        let x = pixel * s.ci + k / co * ci + c;
                        f(
                            x,
                            ((k * s.kernel.height + r) * s.kernel.width + q) * ci + c,
                            y,
                        );
                    }
                }
            }
        }
    }
}

/// Row and column of every element of a kernel.
fn taps(s: &Shape) -> impl Iterator<Item = (usize, usize)> {
    let Size { height, width } = s.kernel;
    (0..height).flat_map(move |r| (0..width).map(move |q| (r, q)))
}

/// An activation and its derivative at `z`.
pub(super) fn act(kind: u8, z: f64, slope: f64) -> (f64, f64) {
    let below = match kind {
        PRELU => slope,
        RELU | RELU6 => 0.0,
        _ => 1.0,
    };
    match kind {
        RELU6 if z >= 6.0 => (6.0, 0.0),
        _ if z > 0.0 => (z, 1.0),
        _ => (z * below, below),
    }
}

/// A batch norm over `[groups, rows, c]`, an activation behind it, and a residual added last.
pub(super) struct Norm<'a> {
    pub groups: usize,
    pub weight: &'a [f64],
    pub bias: &'a [f64],
    pub act: u8,
    pub slope: &'a [f64],
    /// Constants instead of the statistics of the batch.
    pub running: Option<(&'a [f64], &'a [f64])>,
}

/// Gradients on the way back through it.
pub(super) struct NormGrads {
    pub x: Vec<f64>,
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
    pub slope: Vec<f64>,
}

impl Norm<'_> {
    fn channels(&self) -> usize {
        self.weight.len()
    }

    /// The places of a channel of a group.
    fn places(&self, len: usize, group: usize, channel: usize) -> impl Iterator<Item = usize> {
        let per = len / self.groups;
        (group * per + channel..(group + 1) * per).step_by(self.channels())
    }

    /// Mean and biased variance of a channel of a group.
    pub fn moments(&self, x: &[f64], group: usize, channel: usize) -> (f64, f64) {
        if let Some((mean, var)) = self.running {
            return (mean[channel], var[channel]);
        }
        let places = || self.places(x.len(), group, channel);
        let rows = places().count() as f64;
        let mean = places().map(|i| x[i]).sum::<f64>() / rows;
        let var = places().map(|i| (x[i] - mean).powi(2)).sum::<f64>() / rows;
        (mean, var)
    }

    pub fn forward(&self, x: &[f64], residual: Option<&[f64]>) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for (g, c) in self.all() {
            let (mean, var) = self.moments(x, g, c);
            for i in self.places(x.len(), g, c) {
                let z = (x[i] - mean) / (var + EPS).sqrt() * self.weight[c] + self.bias[c];
                y[i] = act(self.act, z, self.slope[c]).0 + residual.map_or(0.0, |r| r[i]);
            }
        }
        y
    }

    pub fn backward(&self, x: &[f64], dy: &[f64]) -> NormGrads {
        let zeros = || vec![0.0; self.channels()];
        let mut grads = NormGrads {
            x: vec![0.0; x.len()],
            weight: zeros(),
            bias: zeros(),
            slope: zeros(),
        };
        for (g, c) in self.all() {
            let (mean, var) = self.moments(x, g, c);
            let inverse = 1.0 / (var + EPS).sqrt();
            let (mut dz_sum, mut along, mut rows) = (0.0, 0.0, 0.0);
            for i in self.places(x.len(), g, c) {
                let xhat = (x[i] - mean) * inverse;
                let z = xhat * self.weight[c] + self.bias[c];
                let dz = dy[i] * act(self.act, z, self.slope[c]).1;
                grads.x[i] = dz;
                grads.slope[c] += dy[i] * z.min(0.0);
                (dz_sum, along, rows) = (dz_sum + dz, along + dz * xhat, rows + 1.0);
            }
            grads.bias[c] += dz_sum;
            grads.weight[c] += along;
            for i in self.places(x.len(), g, c) {
                let xhat = (x[i] - mean) * inverse;
                if self.running.is_none() {
                    grads.x[i] -= (dz_sum + xhat * along) / rows;
                }
                grads.x[i] *= self.weight[c] * inverse;
            }
        }
        grads
    }

    /// Groups and channels.
    fn all(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (groups, channels) = (self.groups, self.channels());
        (0..groups).flat_map(move |g| (0..channels).map(move |c| (g, c)))
    }
}

/// `a b` of row-major `[m, k]` and `[k, n]`.
pub(super) fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
        c[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
    }
    c
}

pub(super) fn transposed(a: &[f64], [rows, cols]: [usize; 2]) -> Vec<f64> {
    let of = |i: usize| a[i % rows * cols + i / rows];
    (0..rows * cols).map(of).collect()
}
