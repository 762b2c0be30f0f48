//! The way back through a 3 x 3 depthwise convolution in one pass over each image: both
//! gradients are sums over the same windows of the output's gradient, which a strip of lines
//! holds in cache.

use super::super::super::act::Input;
use super::super::super::norm::{Backward, Dy};
use super::super::super::prefetch::Prefetch;
use super::super::super::scratch;
use super::super::{Dx, Shape};
use super::kernels::Both;
use super::{pack, unpack_sums};
use crate::team::OneByOne;
use frbench_base::Size;
use rayon::prelude::*;
use std::ops::Range;

/// Floats of gradients, inputs and results that a strip may take.
const STRIP: usize = 96 * 1024;
/// Taps of the filter.
const AREA: usize = 9;

/// Whether [`backward`] knows the way.
pub fn joint(s: &Shape) -> bool {
    (s.kernel, s.pad) == (Size::square(3), 1) && s.stride <= 2
}

/// What all images share.
struct Way<'a> {
    x: Input<'a>,
    dy: Dy<'a>,
    s: &'a Shape,
    packed: &'a [f32],
    back: Option<(&'a [f32], &'a Backward)>,
    /// Lines of the input's gradient per strip.
    lines: usize,
}

/// Writes the gradient of the input and adds that of the weight, in PyTorch's layout.
pub fn backward(x: Input, dy: Dy, weight: &[f32], s: &Shape, dx: Dx, grad: &mut [f32]) {
    assert!(joint(s) && !dx.add);
    let c = s.ci;
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
    let lines = (STRIP / (4 * (s.w + 2) * c)).clamp(1, s.h);
    let way = Way {
        x,
        dy,
        s,
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
        .one_by_one()
        .map(|(i, (dx, sums))| {
            let mut sum = vec![0.0; AREA * c];
            for (j, dx) in dx.chunks_exact_mut(image).enumerate() {
                way.image(i * per + j, dx, &mut sum, sums.as_deref_mut());
            }
            sum
        });
    unpack_sums(&partial, AREA, true, grad);
}

impl Way<'_> {
    /// Border lines above, and pixels to the left, of the output's gradient; below and to the right
    /// there is one in any case.
    fn before(&self) -> usize {
        usize::from(self.s.stride == 1)
    }

    /// The lines of the output's gradient, counted with its border, that lines of the input meet.
    fn met(&self, lines: Range<usize>) -> Range<usize> {
        match self.s.stride {
            1 => lines.start..lines.end + 2,
            _ => lines.start / 2..lines.end / 2 + 1,
        }
    }

    fn image(&self, n: usize, dx: &mut [f32], sum: &mut [f32], mut sums: Option<&mut [f32]>) {
        let (s, c) = (self.s, self.s.ci);
        let (line, width) = (s.w * c, self.before() + s.ow + 1);
        let most = (self.lines + 2) * width * c;
        let inputs = match self.x.map {
            Some(_) => self.lines * line,
            None => 0,
        };
        scratch::with(most + inputs, |memory| {
            let (strip, inputs) = memory.split_at_mut(most);
            // The lines that are there.
            let mut have: Range<usize> = 0..0;
            for (i, dx) in dx.chunks_mut(self.lines * line).enumerate() {
                let first = i * self.lines;
                let met = self.met(first..first + dx.len() / line);
                let kept = have.end.saturating_sub(met.start);
                if kept > 0 {
                    let from = (met.start - have.start) * width * c;
                    strip.copy_within(from..from + kept * width * c, 0);
                }
                let strip = &mut strip[..met.len() * width * c];
                let new = strip.chunks_exact_mut(width * c).enumerate().skip(kept);
                new.for_each(|(r, to)| self.line(n, met.start + r, to));
                have = met;
                let at = (n * s.h + first) * line;
                let prefetch = self.ahead(at, dx);
                let both = Both {
                    dy: strip,
                    width,
                    stride: s.stride,
                    odd: s.stride == 2 && !first.is_multiple_of(2),
                    packed: self.packed,
                    x: self.inputs(at, dx.len(), inputs),
                    line: s.w,
                    c,
                    dx,
                    sum,
                    prefetch: &prefetch,
                };
                both.run();
                if let (Some((x, back)), Some(sums)) = (self.back, sums.as_deref_mut()) {
                    back.gather(&x[at..at + dx.len()], dx, sums);
                }
            }
        });
    }

    /// What the strip at float `at` of the input writes, and what the next one reads.
    fn ahead(&self, at: usize, dx: &[f32]) -> Prefetch {
        let s = self.s;
        let (lines, met) = (s.n * s.h, s.ow * s.ci);
        let first = (at + dx.len()) / (s.w * s.ci);
        let count = (dx.len() / (s.w * s.ci)).min(lines - first);
        let from = first / s.h * s.oh + first % s.h / s.stride;
        let to = (from + count.div_ceil(s.stride)).min(s.n * s.oh);
        let [dy, through] = self.dy.parts(from * met..to * met);
        let x = &self.x.data[first * s.w * s.ci..][..count * s.w * s.ci];
        Prefetch::of([dx, x, dy, through])
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

    /// Line `r` of image `n`'s gradient, borders included.
    fn line(&self, n: usize, r: usize, to: &mut [f32]) {
        let (s, c) = (self.s, self.s.ci);
        let y = r.wrapping_sub(self.before());
        if y >= s.oh {
            return to.fill(0.0);
        }
        let (left, rest) = to.split_at_mut(self.before() * c);
        let (inside, right) = rest.split_at_mut(s.ow * c);
        left.fill(0.0);
        self.dy.write((n * s.oh + y) * s.ow * c, inside);
        right.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{input_grad, weight_grad};
    use super::*;
    use frbench_base::compare::relative_error;
    use frbench_base::rng::Stream;

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
                kernel: 3.into(),
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
