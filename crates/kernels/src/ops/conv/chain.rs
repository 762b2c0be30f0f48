//! The inverted residual of a light network in evaluation: 1 x 1, depthwise, 1 x 1. The wide
//! values between the three are made strip by strip and never leave the cache.

use super::super::act::{Epilogue, Input};
use super::super::gemm::{Mat, gemm_packed};
use super::super::prefetch::Prefetch;
use super::super::scratch;
use super::Shape;
use super::depthwise::Filter;
use crate::team::OneByOne;
use rayon::prelude::*;

/// Floats that a strip's wide values may take.
const STRIP: usize = 64 * 1024;
/// Tasks that a batch is cut into at least, as far as its lines allow.
const TASKS: usize = 8;

/// One convolution of the chain, with its packed weights and what ends it.
pub struct Part<'a> {
    pub shape: Shape,
    pub packed: &'a [f32],
    pub epilogue: Epilogue<'a>,
}

/// `y = project(filter(expand(x)))`. The first and the last are pointwise, the one between is
/// depthwise; only the last has a residual.
pub fn forward(x: &[f32], parts: &[Part; 3], y: &mut [f32]) {
    let filter = Filter::forward(&parts[1].shape);
    let line = parts[2].shape.ow * parts[2].shape.co;
    let segments = TASKS.div_ceil(parts[2].shape.n).min(filter.oh.div_ceil(4));
    let segment = filter.oh.div_ceil(segments);
    let mut tasks: Vec<(usize, usize, &mut [f32])> = Vec::new();
    for (n, image) in y.chunks_exact_mut(filter.oh * line).enumerate() {
        let pieces = image.chunks_mut(segment * line).enumerate();
        tasks.extend(pieces.map(|(i, y)| (n, i * segment, y)));
    }
    let image = parts[0].shape.h * parts[0].shape.w * parts[0].shape.ci;
    tasks
        .into_par_iter()
        .one_by_one()
        .for_each(|(n, first, y)| {
            run(&x[n * image..], parts, filter, [n, first], y);
        });
}

/// The output lines from `first` on of image `n`, whose input is the first of `x`.
fn run(x: &[f32], parts: &[Part; 3], filter: Filter, [n, first]: [usize; 2], y: &mut [f32]) {
    let [expand, middle, project] = parts;
    let (ci, c, co) = (expand.shape.ci, filter.c, project.shape.co);
    let (width, out) = (filter.width() * c, filter.ow * co);
    let total = y.len() / out;
    let lines = (STRIP / width / filter.stride).clamp(2, total.max(2));
    let most = filter.reach(lines);
    let sizes = [most * width, most * filter.w * c, lines * filter.ow * c];
    scratch::with(sizes.iter().sum(), |memory| {
        let (padded, rest) = memory.split_at_mut(sizes[0]);
        let (wide, filtered) = rest.split_at_mut(sizes[1]);
        // Padded lines that the strip before has left at the start.
        let mut have = 0;
        for (i, y) in y.chunks_mut(lines * out).enumerate() {
            let from = first + i * lines;
            let count = y.len() / out;
            let reach = filter.reach(count);
            // The padded lines `have..reach` that lie inside the image.
            let top = from * filter.stride;
            let inside = |r: usize| (top + r).clamp(filter.before, filter.before + filter.h);
            let (a, b) = (inside(have), inside(reach));
            let rows = (b - a) * filter.w;
            let next = &x[((b - filter.before) * filter.w * ci).min(x.len())..];
            let soon = (lines * filter.stride * filter.w * ci).min(next.len());
            let prefetch = Prefetch::of([y, &next[..soon]]);
            if rows > 0 {
                let x = &x[(a - filter.before) * filter.w * ci..][..rows * ci];
                let wide = &mut wide[..rows * c];
                let (size, x) = ([rows, c, ci], Mat::rows(x, ci));
                gemm_packed(size, x, expand.packed, wide, c, false, Some(&prefetch));
                expand.epilogue.apply(wide, c, 0);
            }
            for (r, line) in (have..reach).zip(padded[have * width..].chunks_exact_mut(width)) {
                if top + r < a || top + r >= b {
                    line.fill(0.0);
                    continue;
                }
                let wide = &wide[(top + r - a) * filter.w * c..][..filter.w * c];
                filter.border(line, Input::plain(wide));
            }
            let filtered = &mut filtered[..count * filter.ow * c];
            let strip = (&padded[..reach * width], filter.width());
            filter.lines_of(strip, middle.packed, filtered, &prefetch);
            middle.epilogue.apply(filtered, c, 0);
            let (size, x) = ([count * filter.ow, co, c], Mat::rows(filtered, c));
            gemm_packed(size, x, project.packed, y, co, false, Some(&prefetch));
            let offset = (n * filter.oh + from) * out;
            project.epilogue.apply(y, co, offset);
            have = filter.kernel.height.saturating_sub(filter.stride);
            padded.copy_within((reach - have) * width..reach * width, 0);
        }
    });
}
