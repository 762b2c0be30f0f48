//! The way back through a 3 x 3 depthwise convolution in one pass over each image: both
//! gradients are sums over the same windows of the output's gradient, which a strip of lines
//! holds in cache.

use super::super::super::act::Input;
use super::super::super::norm::{Backward, Dy};
use super::super::super::scratch;
use super::super::{Dx, Shape};
use super::kernels::{Both, BothStrided};
use super::{Filter, pack, unpack_sums};
use rayon::prelude::*;

/// Floats of gradients, inputs and results that a strip may take.
const STRIP: usize = 96 * 1024;
/// Taps of the filter.
const AREA: usize = 9;

/// Whether [`backward`] knows the way.
pub fn joint(s: &Shape) -> bool {
    (s.kernel, s.pad) == (3, 1)
}

/// What all images share.
struct Way<'a> {
    x: Input<'a>,
    dy: Dy<'a>,
    /// Over the output's gradient, with zeros between its pixels for a stride of more than 1.
    filter: Filter,
    packed: &'a [f32],
    back: Option<(&'a [f32], &'a Backward)>,
    /// Lines of the input's gradient per strip.
    lines: usize,
}

/// Writes the gradient of the input and adds that of the weight, in PyTorch's layout.
pub fn backward(x: Input, dy: Dy, weight: &[f32], s: &Shape, dx: Dx, grad: &mut [f32]) {
    assert!(joint(s) && !dx.add);
    let (c, filter) = (s.ci, Filter::backward(s));
    let mut packed = scratch::take(weight.len());
    pack(weight, AREA, true, &mut packed);
    // Images per task, each of which has sums of its own.
    let per = s.n.div_ceil(16);
    let tasks = s.n.div_ceil(per);
    let (back, mut sums) = match dx.gather {
        Some(gather) => {
            let sums = gather.sums.blocks(tasks, c);
            (
                Some((gather.x, gather.back)),
                sums.chunks_exact_mut(3 * c).map(Some).collect(),
            )
        }
        None => (None, (0..tasks).map(|_| None).collect::<Vec<_>>()),
    };
    let lines = (STRIP / (4 * filter.width() * c)).clamp(1, s.h);
    let way = Way {
        x,
        dy,
        filter,
        packed: &packed,
        back,
        // Strips of one height.
        lines: s.h.div_ceil(s.h.div_ceil(lines)),
    };
    let image = s.h * s.w * c;
    let partial: Vec<Vec<f32>> = dx
        .data
        .par_chunks_mut(per * image)
        .zip(sums.par_iter_mut())
        .enumerate()
        .map(|(i, (dx, sums))| {
            let mut sum = vec![0.0; AREA * c];
            for (j, dx) in dx.chunks_exact_mut(image).enumerate() {
                let sums = sums.as_deref_mut();
                match s.stride {
                    2 => way.strided(i * per + j, dx, &mut sum, sums),
                    _ => way.image(i * per + j, dx, &mut sum, sums),
                }
            }
            sum
        })
        .collect();
    unpack_sums(&partial, AREA, true, grad);
}

impl Way<'_> {
    fn image(&self, n: usize, dx: &mut [f32], sum: &mut [f32], mut sums: Option<&mut [f32]>) {
        let filter = self.filter;
        let (c, width, line) = (filter.c, filter.width() * filter.c, filter.ow * filter.c);
        let reach = filter.reach(self.lines);
        let inputs = if self.x.map.is_some() {
            self.lines * line
        } else {
            0
        };
        scratch::with(reach * width + inputs + filter.w * c, |memory| {
            let (strip, memory) = memory.split_at_mut(reach * width);
            let (inputs, pixels) = memory.split_at_mut(inputs);
            // Lines that the strip before has left at the start.
            let mut have = 0;
            for (i, dx) in dx.chunks_mut(self.lines * line).enumerate() {
                let (first, count) = (i * self.lines, dx.len() / line);
                let reach = filter.reach(count);
                let new = strip[have * width..reach * width].chunks_exact_mut(width);
                for (r, to) in (have..).zip(new) {
                    self.line(n, first + r, to, pixels);
                }
                let at = n * filter.oh * line + first * line;
                let both = Both {
                    dy: &strip[..reach * width],
                    width: filter.width(),
                    packed: self.packed,
                    x: self.inputs(at, dx.len(), inputs),
                    line: filter.ow,
                    c,
                    dx,
                    sum,
                };
                both.run();
                self.gather(at, dx, sums.as_deref_mut());
                if first + count < filter.oh {
                    have = reach - count;
                    strip.copy_within(count * width..reach * width, 0);
                }
            }
        });
    }

    /// The same for a stride of 2: a strip of the output's gradient without zeros between, with one
    /// pixel and one line more than there are.
    fn strided(&self, n: usize, dx: &mut [f32], sum: &mut [f32], mut sums: Option<&mut [f32]>) {
        let filter = self.filter;
        let (c, line) = (filter.c, filter.ow * filter.c);
        let width = (filter.w + 1) * c;
        let inputs = if self.x.map.is_some() {
            self.lines * line
        } else {
            0
        };
        let most = (self.lines / 2 + 2) * width;
        scratch::with(most + inputs, |memory| {
            let (strip, inputs) = memory.split_at_mut(most);
            for (i, dx) in dx.chunks_mut(self.lines * line).enumerate() {
                let (first, count) = (i * self.lines, dx.len() / line);
                let strip = &mut strip[..((first + count) / 2 - first / 2 + 1) * width];
                for (r, to) in strip.chunks_exact_mut(width).enumerate() {
                    let y = first / 2 + r;
                    if y >= filter.h {
                        to.fill(0.0);
                        continue;
                    }
                    let (inside, right) = to.split_at_mut(filter.w * c);
                    self.dy.write((n * filter.h + y) * filter.w * c, inside);
                    right.fill(0.0);
                }
                let at = n * filter.oh * line + first * line;
                let both = BothStrided {
                    dy: strip,
                    odd: !first.is_multiple_of(2),
                    width: filter.w + 1,
                    packed: self.packed,
                    x: self.inputs(at, dx.len(), inputs),
                    line: filter.ow,
                    c,
                    dx,
                    sum,
                };
                both.run();
                self.gather(at, dx, sums.as_deref_mut());
            }
        });
    }

    /// What the filter was given: `len` floats from float `at` on.
    fn inputs<'m>(&'m self, at: usize, len: usize, memory: &'m mut [f32]) -> &'m [f32] {
        let x = &self.x.data[at..at + len];
        match self.x.map {
            Some(map) => {
                let inputs = &mut memory[..len];
                map.write(x, inputs);
                inputs
            }
            None => x,
        }
    }

    /// What the batch norm before needs to know of gradients from float `at` on.
    fn gather(&self, at: usize, dx: &[f32], sums: Option<&mut [f32]>) {
        if let (Some((x, back)), Some(sums)) = (self.back, sums) {
            back.gather(&x[at..at + dx.len()], dx, sums);
        }
    }

    /// Line `r` of image `n`'s gradient, borders and zeros between included.
    fn line(&self, n: usize, r: usize, to: &mut [f32], pixels: &mut [f32]) {
        let filter = self.filter;
        let (c, dilate) = (filter.c, filter.dilate);
        let y = r.wrapping_sub(filter.before);
        if y >= filter.h * dilate || !y.is_multiple_of(dilate) {
            return to.fill(0.0);
        }
        let at = (n * filter.h + y / dilate) * filter.w * c;
        if dilate > 1 {
            let pixels = self.dy.read(at, pixels);
            return filter.border(to, Input::plain(pixels));
        }
        let (left, rest) = to.split_at_mut(filter.before * c);
        let (inside, right) = rest.split_at_mut(filter.w * c);
        left.fill(0.0);
        self.dy.write(at, inside);
        right.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{input_grad, weight_grad};
    use super::*;
    use crate::parity::relative_error;
    use crate::rng::Stream;

    /// Against both gradients by themselves, for images that are cut into several strips.
    #[test]
    fn strips_join_without_a_seam() {
        for (h, w, c, stride) in [
            (33, 32, 64, 2),
            (64, 40, 70, 2),
            (37, 33, 64, 1),
            (32, 32, 96, 2),
        ] {
            let [oh, ow] = [h, w].map(|side: usize| side.div_ceil(stride));
            let s = Shape {
                n: 2,
                h,
                w,
                ci: c,
                oh,
                ow,
                co: c,
                kernel: 3,
                stride,
                pad: 1,
                groups: c,
            };
            let normal = |seed: &str, n: usize| -> Vec<f32> {
                let mut stream = Stream::derive(7, seed, &[]);
                (0..n).map(|_| stream.normal() as f32).collect()
            };
            let (x, dy) = (normal("x", 2 * h * w * c), normal("dy", 2 * oh * ow * c));
            let weight = normal("weight", 9 * c);
            let [mut dx, mut want_dx] = [0, 1].map(|_| vec![0.0; x.len()]);
            let [mut dw, mut want_dw] = [0, 1].map(|_| vec![0.0; weight.len()]);
            let to = Dx {
                data: &mut dx,
                add: false,
                gather: None,
            };
            backward(Input::plain(&x), Dy::plain(&dy), &weight, &s, to, &mut dw);
            input_grad(&dy, &weight, &s, &mut want_dx);
            weight_grad(Input::plain(&x), &dy, &s, &mut want_dw);
            for (got, want) in [(&dx, &want_dx), (&dw, &want_dw)] {
                let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
                let off = relative_error(&wide(got), &wide(want));
                assert!(off < 1e-6, "{h} x {w} x {c}, stride {stride}: {off}");
            }
        }
    }
}
