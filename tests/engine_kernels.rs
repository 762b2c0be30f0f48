//! Convolutions of any shape against sums in 64 bits, on every kernel set of this machine.

mod common;

use frbench::nn::ops::act::{Act, Epilogue, Input, Prologue};
use frbench::nn::ops::conv::{self, Algorithm, Shape};
use frbench::nn::ops::moments::Moments;
use frbench::plan::spec::ConvMode;
use frbench::rng::Stream;
use proptest::prelude::*;

#[test]
fn the_other_kernel_sets_agree_too() {
    common::kernel_sets::run_on_every_other("the_other_kernel_sets_agree_too");
}

fn noise(seed: u64, purpose: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::derive(seed, purpose, &[]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

/// Calls `f` with the flat indices of input, weight and output of every multiplication.
fn each_product(s: &Shape, mut f: impl FnMut(usize, usize, usize)) {
    let (gi, go) = (s.ci / s.groups, s.co / s.groups);
    for n in 0..s.n {
        for (oy, ox) in (0..s.oh).flat_map(|y| (0..s.ow).map(move |x| (y, x))) {
            for (ky, kx) in (0..s.kernel).flat_map(|y| (0..s.kernel).map(move |x| (y, x))) {
                let y = (oy * s.stride + ky).wrapping_sub(s.pad);
                let x = (ox * s.stride + kx).wrapping_sub(s.pad);
                if y >= s.h || x >= s.w {
                    continue;
                }
                for o in 0..s.co {
                    for i in 0..gi {
                        let input = ((n * s.h + y) * s.w + x) * s.ci + o / go * gi + i;
                        let weight = ((o * gi + i) * s.kernel + ky) * s.kernel + kx;
                        f(input, weight, ((n * s.oh + oy) * s.ow + ox) * s.co + o);
                    }
                }
            }
        }
    }
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

/// Relative distance in L2.
fn off(got: &[f32], want: &[f64]) -> f64 {
    let square = |f: &dyn Fn(usize) -> f64| (0..want.len()).map(|i| f(i).powi(2)).sum::<f64>();
    let distance = square(&|i| f64::from(got[i]) - want[i]).sqrt();
    distance / square(&|i| want[i]).sqrt().max(1e-12)
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
    let w = noise(case.seed, "w", s.co * s.ci / s.groups * s.kernel * s.kernel);
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
                    let z = x[i].mul_add(scale[c], shift[c]);
                    activated(map.act, c, f64::from(z))
                }
            }
        })
        .collect();
    let mut y = vec![0.0f64; dy.len()];
    each_product(s, |i, j, o| y[o] += read[i] * f64::from(w[j]));
    let mut want = y.clone();
    for (i, v) in want.iter_mut().enumerate() {
        let c = i % s.co;
        if case.after.is_some() {
            *v = *v * f64::from(scale2[c]) + f64::from(shift2[c]);
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
    assert!(
        off(&got, &want) < tolerance,
        "{label}: y {}",
        off(&got, &want)
    );
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

    let (mut dx, mut dw) = (vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
    each_product(s, |i, j, o| {
        dx[i] += f64::from(dy[o]) * f64::from(w[j]);
        dw[j] += f64::from(dy[o]) * read[i];
    });
    let mut got = vec![f32::NAN; x.len()];
    conv::input_grad(&dy, &w, s, case.mode, &mut got);
    assert!(off(&got, &dx) < tolerance, "{label}: dx {}", off(&got, &dx));
    // Gradients are added to what is there.
    let mut got = w.clone();
    conv::weight_grad(input, &dy, s, case.mode, &mut got);
    let got: Vec<f32> = got.iter().zip(&w).map(|(a, b)| a - b).collect();
    let loose = tolerance.max(1e-5);
    assert!(off(&got, &dw) < loose, "{label}: dw {}", off(&got, &dw));
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
        kernel,
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
                let w = noise(2, "w", s.co * s.ci / s.groups * s.kernel * s.kernel);
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
                conv::weight_grad(input, &dy, &s, ConvMode::Fast, &mut dw);
                all.push((y, dx, dw, moments.stats()));
            }
            all
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}
