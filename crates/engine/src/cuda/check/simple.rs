//! Sums, products and poolings, and the optimiser.

use super::super::ops::{Act, Affine};
use super::{Check, bound, map2, wide};
use crate::settings::Precision;
use frbench_base::Result;

impl Check<'_> {
    pub(super) fn sigmoid(&mut self) -> Result<()> {
        let x = self.tensor([3, 5, 7, 3])?;
        let dy = self.tensor([3, 5, 7, 3])?;
        let y = self.gpu.sigmoid(&x.there)?;
        let want: Vec<f64> = x.here.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        self.compare("sigmoid, forward", &y, &want)?;
        // The way back starts from what was written.
        let y_here = wide(&y.download()?);
        let dx = self.gpu.sigmoid_back(&y, &dy.there)?;
        let want = map2(&y_here, &dy.here, |y, dy| dy * y * (1.0 - y));
        self.compare("sigmoid, dx", &dx, &want)
    }

    pub(super) fn multiply(&mut self) -> Result<()> {
        let shape = [3, 5, 7, 6];
        let [n, h, w, c] = shape;
        let a = self.tensor(shape)?;
        let dy = self.tensor(shape)?;
        for (spread, second, op) in [
            (0, shape, "product"),
            (1, [n, 1, 1, c], "product per channel"),
            (2, [n, h, w, 1], "product per pixel"),
        ] {
            let b = self.tensor(second)?;
            let place = |i: usize| match spread {
                0 => i,
                1 => i / (h * w * c) * c + i % c,
                _ => i / c,
            };
            let y: Vec<f64> = (0..a.here.len())
                .map(|i| a.here[i] * b.here[place(i)])
                .collect();
            let got = self.gpu.multiply(&a.there, &b.there, spread)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let mut db = vec![0.0; b.here.len()];
            for i in 0..a.here.len() {
                db[place(i)] += a.here[i] * dy.here[i];
            }
            let got = self
                .gpu
                .multiply_back(&a.there, &dy.there, second, spread)?;
            self.compare(&format!("{op}, second factor's gradient"), &got, &db)?;
        }
        Ok(())
    }

    pub(super) fn sum(&mut self) -> Result<()> {
        let shape = [3, 5, 7, 6];
        let (a, b) = (self.tensor(shape)?, self.tensor(shape)?);
        let want = map2(&a.here, &b.here, |a, b| a + b);
        let add = |x| {
            self.gpu
                .affine(x, Affine::NONE, Act::default(), Some(&b.there))
        };
        let got = add(a.there.clone())?;
        self.compare("sum", &got, &want)?;
        let mut there = a.there;
        self.gpu.accumulate(&mut there, &b.there)?;
        self.compare("sum in place", &there, &want)
    }

    pub(super) fn subsampling(&mut self) -> Result<()> {
        let shape = [3, 5, 7, 6];
        let [n, h, w, c] = shape;
        let x = self.tensor(shape)?;
        for stride in [2, 3] {
            let (rows, columns) = (h.div_ceil(stride), w.div_ceil(stride));
            let dy = self.tensor([n, rows, columns, c])?;
            let (mut y, mut dx) = (vec![0.0; dy.here.len()], vec![0.0; x.here.len()]);
            for i in 0..dy.here.len() {
                let pixel = i / c;
                let (row, column) = (pixel / columns % rows, pixel % columns);
                let at = (pixel / columns / rows * h + row * stride) * w + column * stride;
                y[i] = x.here[at * c + i % c];
                dx[at * c + i % c] = dy.here[i];
            }
            let got = self.gpu.subsample(&x.there, stride)?;
            self.compare("every other pixel, forward", &got, &y)?;
            let got = self.gpu.subsample_back(&dy.there, shape, stride)?;
            self.compare("every other pixel, dx", &got, &dx)?;
        }
        Ok(())
    }

    pub(super) fn pooling(&mut self) -> Result<()> {
        let gpu = self.gpu;
        let shape = [3, 5, 7, 6];
        let [n, h, w, c] = shape;
        let (hw, x) = (h * w, self.tensor(shape)?);
        let len = x.here.len();
        let channel = |i: usize| i / (hw * c) * c + i % c;
        let dy = self.tensor([n, 1, 1, c])?;
        for (op, factor) in [
            ("sum over pixels", 1.0),
            ("mean over pixels", 1.0 / hw as f32),
        ] {
            let mut y = vec![0.0; n * c];
            (0..len).for_each(|i| y[channel(i)] += x.here[i] * f64::from(factor));
            let got = gpu.sum_pixels(&x.there, factor)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let dx = (0..len).map(|i| dy.here[channel(i)] * f64::from(factor));
            let got = gpu.sum_pixels_back(&dy.there, shape, factor)?;
            self.compare(&format!("{op}, dx"), &got, &dx.collect::<Vec<_>>())?;
        }
        // Mean and maximum of parts: what a part is, and where its two results lie.
        for (op, over_channels, shape) in [
            ("mean and maximum over pixels", false, [n, 2, 1, c]),
            ("mean and maximum over channels", true, [n, h, w, 2]),
        ] {
            let dy = self.tensor(shape)?;
            let parts: Vec<(Vec<usize>, [usize; 2])> = match over_channels {
                true => (0..n * hw)
                    .map(|p| ((p * c..(p + 1) * c).collect(), [2 * p, 2 * p + 1]))
                    .collect(),
                false => (0..n * c)
                    .map(|p| {
                        let (image, channel) = (p / c, p % c);
                        let pixels = (0..hw).map(|q| (image * hw + q) * c + channel);
                        let mean = image * 2 * c + channel;
                        (pixels.collect(), [mean, mean + c])
                    })
                    .collect(),
            };
            let (mut y, mut dx) = (vec![0.0; dy.here.len()], vec![0.0; len]);
            for (part, [mean, most]) in parts {
                let count = part.len() as f64;
                let mut best = part[0];
                for &i in &part {
                    y[mean] += x.here[i] / count;
                    dx[i] += dy.here[mean] / count;
                    if x.here[i] > x.here[best] {
                        best = i;
                    }
                }
                y[most] = x.here[best];
                dx[best] += dy.here[most];
            }
            let got = gpu.mean_max(&x.there, over_channels)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let got = gpu.mean_max_back(&x.there, &dy.there, over_channels)?;
            self.compare(&format!("{op}, dx"), &got, &dx)?;
        }
        Ok(())
    }

    pub(super) fn sgd(&mut self) -> Result<()> {
        let n = 1003;
        for (nesterov, spares) in [(false, false), (true, false), (true, true)] {
            let [p, g, v] = [0; 3].map(|_| self.floats(n, 0.0, 1.0));
            let (p, g, v) = (p?, g?, v?);
            let norm = self.gpu.l2_norm(g.pointer(), n)?;
            let want = g.here.iter().map(|g| g * g).sum::<f64>().sqrt();
            self.row("L2 norm", &[norm as f32], &[want], bound(Precision::F32));
            let copy = self.gpu.buffer(2 * n)?;
            let low = if self.low() { copy.pointer() } else { 0 };
            let constants = [0.1f32, 0.9, 5e-4, 0.5];
            // Every third parameter is spared.
            let share: Vec<f64> = (0..n).map(|i| f64::from(!spares || i % 3 != 0)).collect();
            let decayed = share.iter().map(|s| *s as f32).collect::<Vec<_>>();
            let decayed = self.gpu.upload(&decayed)?;
            let which = if spares { decayed.pointer() } else { 0 };
            let pointers = [p.pointer(), g.pointer(), v.pointer(), low, which];
            self.gpu.sgd(pointers, n, constants, nesterov)?;
            let [lr, momentum, decay, factor] = constants.map(f64::from);
            let pulled = map2(&p.here, &share, |p, share| p * share);
            let d = map2(&pulled, &g.here, |p, g| g * factor + decay * p);
            let velocity = map2(&v.here, &d, |v, d| momentum * v + d);
            let step = match nesterov {
                true => map2(&d, &velocity, |d, v| d + momentum * v),
                false => velocity.clone(),
            };
            let params = map2(&p.here, &step, |p, step| p - lr * step);
            self.compare_floats("SGD, parameters", &p, &params)?;
            self.compare_floats("SGD, velocity", &v, &velocity)?;
            self.compare_floats("SGD, gradients are cleared", &g, &vec![0.0; n])?;
            if self.low() {
                let bits = copy.read::<u16>(0, n)?;
                let copy = bits.iter().map(|b| f32::from_bits(u32::from(*b) << 16));
                let copy: Vec<f32> = copy.collect();
                self.row("SGD, bfloat16 copy", &copy, &params, bound(self.precision));
            }
        }
        Ok(())
    }
}
