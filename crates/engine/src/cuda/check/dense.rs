//! Convolutions and products, most of which libraries compute.

use super::super::array::Array;
use super::super::gemm::Matrix;
use super::super::ops::{Act, Affine};
use super::reference::{self, product, transposed};
use super::{Check, Floats, bound};
use crate::ops::conv::Shape;
use frbench_base::Result;

impl Check<'_> {
    fn compare_product(&mut self, op: &str, got: &Floats, want: &[f64]) -> Result<()> {
        self.row(op, &got.read()?, want, bound(self.precision));
        Ok(())
    }

    pub(super) fn convolution(&mut self, op: &str, s: &Shape) -> Result<()> {
        let gpu = self.gpu;
        let x = self.tensor([s.n, s.h, s.w, s.ci])?;
        let w = self.tensor([s.co, s.kernel.height, s.kernel.width, s.ci / s.groups])?;
        let dy = self.tensor([s.n, s.oh, s.ow, s.co])?;
        let dw = self.floats(w.here.len(), 0.0, 1.0)?;
        let (mut y, mut dx) = (vec![0.0; dy.here.len()], vec![0.0; x.here.len()]);
        let mut more = vec![0.0; w.here.len()];
        reference::products(s, |xi, wi, yi| {
            y[yi] += x.here[xi] * w.here[wi];
            dx[xi] += dy.here[yi] * w.here[wi];
            more[wi] += x.here[xi] * dy.here[yi];
        });
        let got = gpu.convolution(s, &x.there, w.there.pointer(), self.math())?;
        self.compare(&format!("{op}, forward"), &got, &y)?;
        let got = gpu.convolution_input(s, &dy.there, w.there.pointer(), self.math())?;
        self.compare(&format!("{op}, dx"), &got, &dx)?;
        // Gradients of weights join those that are there, in 32 bits.
        gpu.convolution_weight(s, &x.there, &dy.there, dw.pointer(), self.math())?;
        self.compare_product(&format!("{op}, dw"), &dw, &dw.plus(&more))
    }

    pub(super) fn linear(&mut self) -> Result<()> {
        let (gpu, math) = (self.gpu, self.math());
        let [n, inputs, out] = [5, 3 * 2 * 8, 13];
        let x = self.tensor([n, 3, 2, 8])?;
        let w = self.tensor([out, 1, 1, inputs])?;
        let [rows, weight] = [&x, &w].map(|t| Matrix::of(&t.there));
        let y = Array::new(gpu, [n, 1, 1, out], false)?;
        gpu.product(rows, weight.t(), Matrix::of(&y), false, math)?;
        let turned = transposed(&w.here, [out, inputs]);
        let want = product(&x.here, &turned, [n, inputs, out]);
        self.compare("linear, forward", &y, &want)?;
        // The bias comes on top, in place.
        let bias = self.floats(out, 0.0, 1.0)?;
        let shift = Affine {
            shift: bias.pointer(),
            ..Affine::NONE
        };
        let y = gpu.affine(y, shift, Act::default(), None)?;
        let biased = want.iter().zip(bias.here.iter().cycle());
        let biased: Vec<f64> = biased.map(|(a, b)| a + b).collect();
        self.compare("linear, bias", &y, &biased)?;

        let dy = self.tensor([n, 1, 1, out])?;
        let grad = Matrix::of(&dy.there);
        let dx = Array::new(gpu, x.there.shape(), self.low())?;
        gpu.product(grad, weight, Matrix::of(&dx), false, math)?;
        let want = product(&dy.here, &w.here, [n, out, inputs]);
        self.compare("linear, dx", &dx, &want)?;
        let dw = self.floats(out * inputs, 0.0, 1.0)?;
        let to = Matrix::new(dw.pointer(), [out, inputs], false);
        gpu.product(grad.t(), rows, to, true, math)?;
        let turned = transposed(&dy.here, [n, out]);
        let want = dw.plus(&product(&turned, &x.here, [out, n, inputs]));
        self.compare_product("linear, dw", &dw, &want)?;
        let db = self.floats(out, 0.0, 1.0)?;
        gpu.bias_gradient(&dy.there, db.pointer())?;
        let sums = product(&vec![1.0; n], &dy.here, [1, n, out]);
        self.compare_floats("linear, db", &db, &db.plus(&sums))
    }
}
