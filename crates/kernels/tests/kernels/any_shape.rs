//! Convolutions of any shape against sums in 64 bits, on every kernel set of this machine.

use frbench_base::Size;
use frbench_base::rng::Stream;
use frbench_kernels::ops::act::{Act, Epilogue, Input, Prologue};
use frbench_kernels::ops::conv::{self, Algorithm, ConvMode, Dx, Gather, Shape};
use frbench_kernels::ops::moments::Moments;
use frbench_kernels::ops::norm::{Backward, Dy, EPS, GradSums, Params, Stats};
use frbench_kernels::ops::simd;
use proptest::prelude::*;
use std::ops::Range;

#[test]
fn the_other_kernel_sets_agree_too() {
    crate::sets::run_on_every_other("any_shape", "the_other_kernel_sets_agree_too");
}

fn noise(seed: u64, purpose: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::derive(seed, purpose, &[]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

/// Row and column of every element of a kernel.
fn taps(kernel: Size) -> impl Iterator<Item = (usize, usize)> {
    let Size { height, width } = kernel;
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

/// Weights in 64 bits with their taps outermost, `[tap, output, input]`: the inputs of one output
/// follow each other, as those of a pixel do.
fn taps_first(w: &[f32], s: &Shape) -> Vec<f64> {
    let (taps, gi) = (s.kernel.area(), s.ci / s.groups);
    let at = |t: usize, o: usize, i: usize| f64::from(w[(o * gi + i) * taps + t]);
    let of_tap = |t| (0..s.co).flat_map(move |o| (0..gi).map(move |i| at(t, o, i)));
    (0..taps).flat_map(of_tap).collect()
}

/// The order of the kernels' weights from that of [`taps_first`].
fn taps_last(w: &[f64], s: &Shape) -> Vec<f64> {
    let (taps, gi) = (s.kernel.area(), s.ci / s.groups);
    let of_output = |o| (0..gi).flat_map(move |i| (0..taps).map(move |t| (t * s.co + o) * gi + i));
    (0..s.co).flat_map(of_output).map(|at| w[at]).collect()
}

/// Calls `f` for every output and each of its taps, with the ranges of the inputs and of the
/// weights ([`taps_first`]) whose products it sums, and the flat index of the output.
fn each_run(s: &Shape, mut f: impl FnMut(Range<usize>, Range<usize>, usize)) {
    let (gi, go) = (s.ci / s.groups, s.co / s.groups);
    for n in 0..s.n {
        for (oy, ox) in (0..s.oh).flat_map(|y| (0..s.ow).map(move |x| (y, x))) {
            for (ky, kx) in taps(s.kernel) {
                let y = (oy * s.stride + ky).wrapping_sub(s.pad);
                let x = (ox * s.stride + kx).wrapping_sub(s.pad);
                if y >= s.h || x >= s.w {
                    continue;
                }
                for o in 0..s.co {
                    let input = ((n * s.h + y) * s.w + x) * s.ci + o / go * gi;
                    let weight = ((ky * s.kernel.width + kx) * s.co + o) * gi;
                    let output = ((n * s.oh + oy) * s.ow + ox) * s.co + o;
                    f(input..input + gi, weight..weight + gi, output);
                }
            }
        }
    }
}

/// What is read convolved with the weights, in 64 bits.
fn convolved(s: &Shape, read: &[f64], w: &[f32]) -> Vec<f64> {
    let w = taps_first(w, s);
    let mut y = vec![0.0; s.n * s.oh * s.ow * s.co];
    each_run(s, |i, j, o| {
        let products = read[i].iter().zip(&w[j]).map(|(a, b)| a * b);
        y[o] += products.sum::<f64>();
    });
    y
}

/// Gradients of input and weights in 64 bits, and the sums of the squares of their terms.
fn gradients(s: &Shape, dy: &[f64], read: &[f64], w: &[f32]) -> (Vec<f64>, Vec<f64>, [f64; 2]) {
    let w = taps_first(w, s);
    let (mut dx, mut dw) = (vec![0.0; read.len()], vec![0.0; w.len()]);
    let mut terms = [0.0; 2];
    each_run(s, |i, j, o| {
        let dy = dy[o];
        for (dx, w) in dx[i.clone()].iter_mut().zip(&w[j.clone()]) {
            *dx += dy * w;
            terms[0] += (dy * w).powi(2);
        }
        for (dw, read) in dw[j].iter_mut().zip(&read[i]) {
            *dw += dy * read;
            terms[1] += (dy * read).powi(2);
        }
    });
    (dx, taps_last(&dw, s), terms)
}

fn activated(act: Act, c: usize, v: f64) -> f64 {
    match act {
        Act::None => v,
        Act::Prelu(slope) if v <= 0.0 => v * f64::from(slope[c]),
        Act::Prelu(_) => v,
        Act::Relu => v.max(0.0),
        Act::Relu6 => v.clamp(0.0, 6.0),
    }
}

/// `a b + c` as the kernel set in use rounds it.
fn madd(a: f32, b: f32, c: f32) -> f32 {
    match simd::level() {
        simd::Level::Plain => a * b + c,
        _ => a.mul_add(b, c),
    }
}

/// `sum` is `start + grad`, whatever the order in which it was added up.
fn adds(label: &str, sum: &[f32], start: &[f32], grad: &[f32]) {
    let both = start.iter().zip(grad);
    let want: Vec<f64> = both.map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
    let error = off(sum, &want);
    assert!(error < 1e-5, "{label}: added {error}");
}

/// Relative distance in L2.
fn off(got: &[f32], want: &[f64]) -> f64 {
    off_sums(got, want, 0.0)
}

/// The same of sums whose terms have this sum of squares: a handful of sums may happen to
/// cancel, and is then held against the size that sums of such terms have.
fn off_sums(got: &[f32], want: &[f64], terms: f64) -> f64 {
    let square = |f: &dyn Fn(usize) -> f64| (0..want.len()).map(|i| f(i).powi(2)).sum::<f64>();
    let distance = square(&|i| f64::from(got[i]) - want[i]).sqrt();
    distance / square(&|i| want[i]).max(terms).sqrt().max(1e-12)
}

fn act(kind: usize, slope: &[f32]) -> Act<'_> {
    [Act::None, Act::Prelu(slope), Act::Relu, Act::Relu6][kind]
}

struct Case {
    shape: Shape,
    seed: u64,
    /// Activation of the prologue; none means no prologue.
    before: Option<usize>,
    /// Activation of the epilogue; none means no epilogue.
    after: Option<usize>,
    residual: bool,
    mode: ConvMode,
}

fn check(case: &Case) {
    let s = &case.shape;
    let algorithm = conv::algorithm(s, case.mode);
    let tolerance = match algorithm {
        Algorithm::Winograd => 3e-5,
        _ => 1e-5,
    };
    let x = noise(case.seed, "x", s.n * s.h * s.w * s.ci);
    let w = noise(case.seed, "w", s.co * s.ci / s.groups * s.kernel.area());
    let dy = noise(case.seed, "dy", s.n * s.oh * s.ow * s.co);
    let residual = noise(case.seed, "residual", dy.len());
    let of = |what: &str, len: usize| noise(case.seed, what, len);
    let (scale, shift, slope) = (of("a", s.ci), of("b", s.ci), of("c", s.ci));
    let (scale2, shift2, slope2) = (of("d", s.co), of("e", s.co), of("f", s.co));
    let input = Input {
        data: &x,
        map: case.before.map(|kind| Prologue {
            scale: &scale,
            shift: &shift,
            act: act(kind, &slope),
        }),
    };
    let epilogue = Epilogue {
        affine: case.after.map(|_| (scale2.as_slice(), shift2.as_slice())),
        act: case.after.map_or(Act::None, |kind| act(kind, &slope2)),
        residual: case.residual.then_some(residual.as_slice()),
    };

    // What the convolution reads, in 64 bits.
    let read: Vec<f64> = (0..x.len())
        .map(|i| {
            let c = i % s.ci;
            match input.map {
                None => f64::from(x[i]),
                Some(map) => {
                    // Rounded as the kernels round it, so that both are on one side of 0.
                    let z = madd(x[i], scale[c], shift[c]);
                    activated(map.act, c, f64::from(z))
                }
            }
        })
        .collect();
    let mut want = convolved(s, &read, &w);
    let squares = |values: &[f64]| values.iter().map(|v| v * v).collect::<Vec<_>>();
    let w_squares: Vec<f32> = w.iter().map(|v| v * v).collect();
    let mut terms = convolved(s, &squares(&read), &w_squares);
    for (i, v) in want.iter_mut().enumerate() {
        let c = i % s.co;
        if case.after.is_some() {
            let [scale, shift] = [scale2[c], shift2[c]].map(f64::from);
            *v = *v * scale + shift;
            terms[i] = terms[i] * scale * scale + shift * shift;
        }
        *v = activated(epilogue.act, c, *v);
        if case.residual {
            *v += f64::from(residual[i]);
        }
    }
    let mut packed = vec![f32::NAN; conv::packed_len(s, algorithm)];
    conv::pack(&w, s, algorithm, &mut packed);
    let weights = (algorithm, packed.as_slice());
    let mut got = vec![f32::NAN; dy.len()];
    let mut moments = Moments::new(s.co);
    conv::forward(input, weights, s, &epilogue, Some(&mut moments), &mut got);
    let label = format!("{s:?} {algorithm:?} {:?} {:?}", case.before, case.after);
    let error = off_sums(&got, &want, terms.iter().sum());
    assert!(error < tolerance, "{label}: y {error}");
    let mut again = vec![f32::NAN; dy.len()];
    conv::forward(input, weights, s, &epilogue, None, &mut again);
    assert_eq!(got, again, "{label}: moments change the output");

    let stats = moments.stats();
    let rows = (dy.len() / s.co) as f64;
    for c in 0..s.co {
        let column = || got.iter().skip(c).step_by(s.co).map(|&v| f64::from(v));
        let mean = column().sum::<f64>() / rows;
        let var = column().map(|v| (v - mean).powi(2)).sum::<f64>() / rows;
        // Sums in 32 bits of differences as large as the largest value.
        let size = column().fold(1e-6, |a, v| v.abs().max(a));
        assert!((stats.mean[c] - mean).abs() < 1e-5 * size, "{label}: mean");
        assert!(
            (stats.var[c] - var).abs() < 1e-4 * size * size,
            "{label}: variance"
        );
    }

    let wide: Vec<f64> = dy.iter().map(|&v| f64::from(v)).collect();
    let (dx, dw, terms) = gradients(s, &wide, &read, &w);
    let mut got = vec![f32::NAN; x.len()];
    conv::input_grad(&dy, &w, s, case.mode, &mut got);
    let error = off_sums(&got, &dx, terms[0]);
    assert!(error < tolerance, "{label}: dx {error}");
    let mut got = vec![0.0; w.len()];
    conv::weight_grad(input, Dy::plain(&dy), s, case.mode, &mut got);
    let error = off_sums(&got, &dw, terms[1]);
    assert!(error < tolerance, "{label}: dw {error}");
    // Gradients are added to what is there.
    let mut added = w.clone();
    conv::weight_grad(input, Dy::plain(&dy), s, case.mode, &mut added);
    adds(&label, &added, &w, &got);
    check_joint(case, (&x, &read), &w, &dy);
}

/// A batch norm over `rows` rows whose input is `x`.
struct Normed {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    slope: Vec<f32>,
    kind: usize,
    stats: Stats,
}

impl Normed {
    fn new(seed: u64, x: Vec<f32>, c: usize, kind: usize) -> Self {
        let of = |what: &str| noise(seed, what, c);
        let rows = (x.len() / c) as f64;
        let column = |i: usize| x.iter().skip(i).step_by(c).map(|&v| f64::from(v));
        let mean: Vec<f64> = (0..c).map(|i| column(i).sum::<f64>() / rows).collect();
        let var = (0..c)
            .map(|i| column(i).map(|v| (v - mean[i]).powi(2)).sum::<f64>() / rows)
            .collect();
        Normed {
            weight: of("norm weight"),
            bias: of("norm bias"),
            slope: of("norm slope"),
            kind,
            stats: Stats { mean, var },
            x,
        }
    }

    fn params(&self) -> Params<'_> {
        Params {
            weight: Some(&self.weight),
            bias: Some(&self.bias),
        }
    }

    fn back(&self) -> Backward {
        Backward::new(self.params(), act(self.kind, &self.slope), &self.stats)
    }

    /// In 64 bits: the gradient of the input; those of weight, bias and slope, each with the
    /// sum of the sizes of its terms.
    fn want(&self, dy: &[f32]) -> (Vec<f64>, Vec<[f64; 2]>) {
        let c = self.weight.len();
        let rows = (dy.len() / c) as f64;
        let (scale, shift) = self.params().of(&self.stats);
        let mut d = vec![0.0f64; dy.len()];
        let mut grads = vec![[0.0f64; 2]; 3 * c];
        let rstd = |i: usize| 1.0 / (self.stats.var[i] + EPS).sqrt();
        let hat = |at: usize| (f64::from(self.x[at]) - self.stats.mean[at % c]) * rstd(at % c);
        for (at, dy) in dy.iter().enumerate() {
            let (i, dy) = (at % c, f64::from(*dy));
            let z = madd(self.x[at], scale[i], shift[i]);
            let inner = match self.kind {
                1 if z <= 0.0 => f64::from(self.slope[i]),
                2 if z <= 0.0 => 0.0,
                3 if z <= 0.0 || z >= 6.0 => 0.0,
                _ => 1.0,
            };
            d[at] = dy * inner;
            let below = if self.kind == 1 && z <= 0.0 {
                dy * f64::from(z)
            } else {
                0.0
            };
            for (k, v) in [d[at] * hat(at), d[at], below].into_iter().enumerate() {
                grads[k * c + i][0] += v;
                grads[k * c + i][1] += v.abs();
            }
        }
        let dx = (0..d.len())
            .map(|at| {
                let i = at % c;
                let mean = grads[c + i][0] / rows + hat(at) * grads[i][0] / rows;
                f64::from(self.weight[i]) * rstd(i) * (d[at] - mean)
            })
            .collect();
        (dx, grads)
    }
}

/// Both gradients at once, of an output that goes through a batch norm and an input that has
/// come through one.
fn check_joint(case: &Case, (x, read): (&[f32], &[f64]), w: &[f32], dy: &[f32]) {
    let (s, mode) = (&case.shape, case.mode);
    let joint = conv::joint(s, mode);
    // Over a few rows, what a batch norm lets through is what rounding leaves.
    if (joint.is_none() && !conv::reads_through(s, mode)) || dy.len() / s.co < 8 {
        return;
    }
    let kind = case.after.unwrap_or(0);
    let out = Normed::new(case.seed, noise(case.seed, "out", dy.len()), s.co, kind);
    let (d, _) = out.want(dy);
    let (dx, dw, terms) = gradients(s, &d, read, w);
    let of = |what: &str| noise(case.seed, what, s.ci);
    let (scale, shift, slope) = (of("a"), of("b"), of("c"));
    let input = Input {
        data: x,
        map: case.before.map(|kind| Prologue {
            scale: &scale,
            shift: &shift,
            act: act(kind, &slope),
        }),
    };
    let back = out.back();
    let sums = back.sums(&out.x, dy);
    let spread = back.finish(&sums, Some(dy.len() / s.co), &mut vec![0.0; 3 * s.co]);
    let through = Dy {
        data: dy,
        norm: Some((&out.x, &spread)),
    };
    let label = format!("{s:?} {:?} {:?}", case.before, case.after);
    let near = |what: &str, got: &[f32], want: &[f64], terms: f64| {
        let error = off_sums(got, want, terms);
        assert!(error < 1e-5, "{label}: {what} {error}");
    };
    if conv::reads_through(s, mode) {
        let mut got = vec![0.0; w.len()];
        conv::weight_grad(input, through, s, mode, &mut got);
        near("weights alone", &got, &dw, terms[1]);
    }
    let Some(joint) = joint else { return };
    let made = Normed::new(case.seed ^ 1, noise(case.seed, "in", x.len()), s.ci, kind);
    let run = |start: &[f32], add: bool, gather: bool| {
        let (mut dx, mut dw) = (start.to_vec(), vec![0.0; w.len()]);
        let (mut sums, back) = (GradSums::default(), made.back());
        let to = Dx {
            data: &mut dx,
            add,
            gather: gather.then_some(Gather {
                x: &made.x,
                back: &back,
                sums: &mut sums,
            }),
        };
        conv::backward(input, through, w, s, to, &mut dw);
        let mut grads = vec![0.0; 3 * s.ci];
        if gather {
            back.finish(&sums, Some(x.len() / s.ci), &mut grads);
        }
        (dx, dw, grads)
    };
    let nothing = vec![f32::NAN; x.len()];
    let (written, weights, grads) = run(&nothing, false, true);
    near("joint dx", &written, &dx, terms[0]);
    near("joint dw", &weights, &dw, terms[1]);
    let (alone, again, _) = run(&nothing, false, false);
    assert!(
        written == alone && weights == again,
        "{label}: gathering changes gradients"
    );
    // The sums are those of what has been written.
    let summed = |grads: &[f32], dx: &[f32]| {
        for (got, [want, size]) in grads.iter().zip(made.want(dx).1) {
            let error = (f64::from(*got) - want).abs();
            assert!(error < 1e-5 * size + 1e-12, "{label}: sums {got} {want}");
        }
    };
    summed(&grads, &written);
    if joint.adds {
        let (sum, again, grads) = run(x, true, true);
        adds(&label, &sum, x, &written);
        assert_eq!(
            weights, again,
            "{label}: adding changes the weights' gradient"
        );
        summed(&grads, &sum);
    }
}

fn shape(
    [n, h, w]: [usize; 3],
    [ci, co]: [usize; 2],
    [kernel, stride, pad]: [usize; 3],
    groups: usize,
) -> Option<Shape> {
    let out = |side: usize| Some((side + 2 * pad).checked_sub(kernel)? / stride + 1);
    Some(Shape {
        n,
        h,
        w,
        ci,
        oh: out(h)?,
        ow: out(w)?,
        co,
        kernel: kernel.into(),
        stride,
        pad,
        groups,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn dense_convolutions_of_any_shape(
        n in 1usize..4, h in 1usize..18, w in 1usize..18, ci in 1usize..40, co in 1usize..40,
        kernel in prop::sample::select(vec![1usize, 2, 3, 3, 3, 5, 7]), stride in 1usize..4,
        pad in 0usize..3, seed: u64, before in prop::option::of(0usize..4),
        after in prop::option::of(0usize..4), residual: bool, direct: bool,
    ) {
        if let Some(shape) = shape([n, h, w], [ci, co], [kernel, stride, pad], 1) {
            let mode = if direct { ConvMode::Direct } else { ConvMode::Fast };
            check(&Case { shape, seed, before, after, residual, mode });
        }
    }

    #[test]
    fn winograd_of_any_shape(
        n in 1usize..5, h in 1usize..18, w in 1usize..18, ci in 16usize..70, co in 16usize..70,
        seed: u64, before in prop::option::of(0usize..4), after in prop::option::of(0usize..4),
        residual: bool,
    ) {
        let shape = shape([n, h, w], [ci, co], [3, 1, 1], 1).unwrap();
        check(&Case { shape, seed, before, after, residual, mode: ConvMode::Fast });
    }

    #[test]
    fn depthwise_and_grouped_convolutions_of_any_shape(
        n in 1usize..4, h in 1usize..18, w in 1usize..18, groups in 2usize..40,
        per in prop::sample::select(vec![[1usize, 1], [1, 1], [1, 1], [2, 1], [2, 3]]),
        kernel in prop::sample::select(vec![1usize, 2, 3, 3, 3, 5, 7]), stride in 1usize..4,
        pad in 0usize..3, seed: u64, before in prop::option::of(0usize..4),
        after in prop::option::of(0usize..4), residual: bool,
    ) {
        let channels = [per[0] * groups, per[1] * groups];
        if let Some(shape) = shape([n, h, w], channels, [kernel, stride, pad], groups) {
            let mode = ConvMode::Fast;
            check(&Case { shape, seed, before, after, residual, mode });
        }
    }

    /// Kernels as large as the map, which need not be square.
    #[test]
    fn whole_maps(
        n in 1usize..4, h in 1usize..9, w in 1usize..9, groups in 2usize..40,
        per in prop::sample::select(vec![[1usize, 1], [1, 1], [2, 3]]), dense: bool, seed: u64,
        before in prop::option::of(0usize..4), after in prop::option::of(0usize..4),
        residual: bool,
    ) {
        let groups = if dense { 1 } else { groups };
        let channels = [per[0] * groups, per[1] * groups];
        let mut shape = shape([n, h, w], channels, [1, 1, 0], groups).unwrap();
        (shape.kernel, shape.oh, shape.ow) = ([h, w].into(), 1, 1);
        check(&Case { shape, seed, before, after, residual, mode: ConvMode::Fast });
    }
}

/// Layers that take the other paths: wide ones, long strips, many slices.
#[test]
fn large_shapes() {
    for (i, (size, channels, kernel, groups)) in [
        ([3, 14, 14], [160, 144], [3, 1, 1], 1),
        ([9, 7, 7], [144, 132], [3, 1, 1], 1),
        ([2, 40, 37], [64, 32], [3, 1, 1], 1),
        ([3, 30, 30], [96, 128], [1, 1, 0], 1),
        ([3, 30, 30], [48, 64], [3, 2, 1], 1),
        ([2, 60, 61], [72, 72], [3, 1, 1], 72),
        ([2, 61, 60], [72, 72], [3, 2, 1], 72),
        ([5, 7, 7], [130, 130], [7, 1, 0], 130),
        ([35, 9, 8], [40, 40], [3, 1, 1], 40),
        ([35, 9, 8], [40, 40], [3, 2, 1], 40),
        ([60, 9, 8], [72, 40], [1, 1, 0], 1),
        ([1, 300, 2], [280, 280], [1, 1, 0], 1),
    ]
    .into_iter()
    .enumerate()
    {
        for before in [None, Some(1)] {
            let case = Case {
                shape: shape(size, channels, kernel, groups).unwrap(),
                seed: i as u64,
                before,
                after: before,
                residual: false,
                mode: ConvMode::Fast,
            };
            check(&case);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let mut all = Vec::new();
            for (channels, kernel, groups) in [
                ([32, 48], [3, 1, 1], 1),
                ([160, 144], [3, 1, 1], 1),
                ([32, 48], [3, 2, 1], 1),
                ([64, 64], [1, 1, 0], 1),
                ([40, 40], [3, 1, 1], 40),
            ] {
                let s = shape([6, 21, 19], channels, kernel, groups).unwrap();
                let x = noise(1, "x", s.n * s.h * s.w * s.ci);
                let w = noise(2, "w", s.co * s.ci / s.groups * s.kernel.area());
                let dy = noise(3, "dy", s.n * s.oh * s.ow * s.co);
                let algorithm = conv::algorithm(&s, ConvMode::Fast);
                let mut packed = vec![0.0; conv::packed_len(&s, algorithm)];
                conv::pack(&w, &s, algorithm, &mut packed);
                let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), vec![0.0; w.len()]);
                let mut moments = Moments::new(s.co);
                let input = Input::plain(&x);
                let weights = (algorithm, packed.as_slice());
                conv::forward(
                    input,
                    weights,
                    &s,
                    &Epilogue::NONE,
                    Some(&mut moments),
                    &mut y,
                );
                conv::input_grad(&dy, &w, &s, ConvMode::Fast, &mut dx);
                conv::weight_grad(input, Dy::plain(&dy), &s, ConvMode::Fast, &mut dw);
                let mut both = (x.clone(), w.clone());
                if conv::joint(&s, ConvMode::Fast).is_some() {
                    let to = Dx {
                        data: &mut both.0,
                        add: false,
                        gather: None,
                    };
                    conv::backward(input, Dy::plain(&dy), &w, &s, to, &mut both.1);
                }
                all.push((y, dx, dw, both, moments.stats()));
            }
            all
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}
