//! Every layer, forward and backward, against candle's own operations on odd shapes.

use candle_core::{D, Device, Tensor, Var};
use frbench_base::rng::Stream;
use frbench_engine::{Affine, Conv, GraphBuilder, Network, NodeId, OutputGrads, TrainMode, Value};
use std::collections::BTreeMap;

#[test]
fn the_other_kernel_sets_pass_too() {
    crate::kernel_sets::run_on_every_other("gradients", "the_other_kernel_sets_pass_too");
}

fn random(name: &str, shape: &[usize]) -> Tensor {
    let mut stream = Stream::derive(5, name, &[]);
    let len = shape.iter().product();
    let values: Vec<f32> = (0..len).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Relative L2 distance.
fn distance(got: &Tensor, want: &Tensor) -> f64 {
    let norm = |t: &Tensor| {
        t.sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    f64::from((norm(&(got - want).unwrap()) / norm(want).max(1e-12)).sqrt())
}

type Vars = BTreeMap<String, Var>;

/// Runs a graph and its candle reference on random weights, and compares the embedding, the
/// gradients of all parameters, and that of the input.
#[track_caller]
fn check(
    [n, h, w, c]: [usize; 4],
    bn_group: usize,
    build: impl Fn(&mut GraphBuilder, NodeId) -> NodeId,
    reference: impl Fn(&Tensor, &Vars) -> candle_core::Result<Tensor>,
) {
    let mut b = GraphBuilder::new([h, w, c]);
    let x = b.input();
    let out = build(&mut b, x);
    let flat: usize = b.shape(out).iter().product();
    // A linear layer turns maps into a vector, and checks the order of flattening.
    let out = b.linear(out, "last", 5, true);
    let mut net = Network::new(b.finish(out).unwrap());
    net.init(3);
    let mut state = net.state_dict();
    let mut vars = Vars::new();
    for (name, (shape, values)) in &mut state {
        let t = if name.contains("running") {
            Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap()
        } else {
            random(name, shape)
        };
        *values = t.flatten_all().unwrap().to_vec1().unwrap();
        vars.insert(name.clone(), Var::from_tensor(&t).unwrap());
    }
    net.load_state_dict(&state).unwrap();

    let input = Var::from_tensor(&random("input", &[n, c, h, w])).unwrap();
    let dy = random("dy", &[n, 5]);
    let y = reference(&input, &vars)
        .unwrap()
        .reshape((n, flat))
        .unwrap();
    let y = y
        .matmul(&vars["last.weight"].t().unwrap())
        .unwrap()
        .broadcast_add(&vars["last.bias"])
        .unwrap();
    let grads = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();

    let mode = TrainMode {
        bn_group,
        seed: 1,
        step: 0,
    };
    let value = Value::from_tensor(&input).unwrap();
    let (output, tape) = net.forward_train(&value, mode).unwrap();
    let off = distance(&output.embedding.to_tensor().unwrap(), &y);
    assert!(off < 3e-6, "embedding: {off:e}");
    let embedding = Some(Value::from_tensor(&dy).unwrap());
    let out_grads = OutputGrads {
        embedding,
        ..OutputGrads::default()
    };
    let dx = net.backward(tape, out_grads, true).unwrap().unwrap();
    let off = distance(&dx.to_nchw().unwrap(), grads.get(&input).unwrap());
    assert!(off < 2e-5, "input gradient: {off:e}");
    let params = net.params();
    for view in params.slots() {
        let got = &params.grads[view.offset..view.offset + view.len];
        let got = Tensor::from_slice(got, view.shape.as_slice(), &Device::Cpu).unwrap();
        let want = grads.get(&vars[&view.name]).unwrap();
        let off = distance(&got, want);
        assert!(off < 2e-5, "gradient of {}: {off:e}", view.name);
    }
}

/// Convolution as a sum over the taps of the kernel: candle's own cannot go backwards on
/// rectangles whose sides leave different rests under the stride.
fn conv_by_taps(x: &Tensor, weight: &Tensor, conv: Conv) -> candle_core::Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let (g, co) = (conv.groups, conv.out);
    let out = conv.output_size([h, w].into()).unwrap();
    let (oh, ow) = (out.height, out.width);
    let x = x
        .pad_with_zeros(2, conv.pad, conv.pad)?
        .pad_with_zeros(3, conv.pad, conv.pad)?;
    let index = |first: usize, count: usize| {
        let i = (0..count)
            .map(|i| (first + i * conv.stride) as u32)
            .collect::<Vec<_>>();
        Tensor::from_vec(i, count, &Device::Cpu)
    };
    let mut sum = Tensor::zeros(
        (n, g, co / g, oh * ow),
        candle_core::DType::F32,
        &Device::Cpu,
    )?;
    for ky in 0..conv.kernel.height {
        for kx in 0..conv.kernel.width {
            let part = x
                .index_select(&index(ky, oh)?, 2)?
                .index_select(&index(kx, ow)?, 3)?;
            let part = part.reshape((n, g, c / g, oh * ow))?;
            let tap = weight.narrow(2, ky, 1)?.narrow(3, kx, 1)?;
            let tap = tap
                .reshape((1, g, co / g, c / g))?
                .broadcast_as((n, g, co / g, c / g))?;
            sum = (sum + tap.contiguous()?.matmul(&part)?)?;
        }
    }
    sum.reshape((n, co, oh, ow))
}

fn conv_case(shape: [usize; 4], conv: Conv) {
    check(
        shape,
        shape[0],
        |b, x| b.conv(x, "c", conv),
        |x, v| {
            let y = conv_by_taps(x, &v["c.weight"], conv)?;
            match v.get("c.bias") {
                Some(bias) => y.broadcast_add(&bias.reshape((1, conv.out, 1, 1))?),
                None => Ok(y),
            }
        },
    );
}

#[test]
fn the_twin_is_candles_convolution() {
    let (x, w) = (random("x", &[2, 6, 9, 9]), random("w", &[4, 3, 3, 3]));
    let conv = Conv::new(4, 3).groups(2).stride(2);
    let want = x.conv2d(&w, 1, 2, 1, 2).unwrap();
    assert!(distance(&conv_by_taps(&x, &w, conv).unwrap(), &want) < 1e-6);
}

#[test]
fn convolutions_of_odd_shapes() {
    conv_case([1, 5, 7, 3], Conv::new(4, 3));
    conv_case([3, 9, 7, 3], Conv::new(17, 3).stride(2));
    conv_case([2, 8, 6, 5], Conv::new(33, 3).with_bias());
    conv_case([2, 7, 5, 6], Conv::new(9, 1));
    conv_case([2, 7, 5, 6], Conv::new(9, 1).stride(2).with_bias());
    conv_case([2, 9, 9, 3], Conv::new(4, 5).pad(1).stride(3));
    conv_case([1, 6, 6, 4], Conv::new(3, 6).pad(0));
    conv_case([65, 11, 13, 16], Conv::new(24, 3));
}

#[test]
fn grouped_convolutions() {
    conv_case([2, 7, 5, 6], Conv::new(9, 3).groups(3));
    conv_case([2, 7, 6, 8], Conv::new(8, 3).groups(4).stride(2));
    conv_case([1, 5, 5, 4], Conv::new(8, 3).groups(4));
}

#[test]
fn depthwise_convolutions() {
    for c in [3, 16, 48, 75] {
        conv_case([2, 7, 6, c], Conv::new(c, 3).groups(c));
        conv_case(
            [3, 7, 8, c],
            Conv::new(c, 3).groups(c).stride(2).with_bias(),
        );
    }
    conv_case([9, 4, 4, 33], Conv::new(33, 4).groups(33).pad(0));
    conv_case([1, 7, 7, 40], Conv::new(40, 7).groups(40).pad(0));
    conv_case([2, 10, 9, 5], Conv::new(5, 5).groups(5).pad(1).stride(3));
}

/// Batch norm over groups of images, by elementary operations.
fn batch_norm(
    x: &Tensor,
    group: usize,
    weight: Option<&Var>,
    bias: Option<&Var>,
) -> candle_core::Result<Tensor> {
    let (n, c, _, _) = x.dims4()?;
    let one = |first: usize| {
        let x = x.narrow(0, first, group)?;
        let mean = x.mean_keepdim((0, 2, 3))?;
        let d = x.broadcast_sub(&mean)?;
        let var = d.sqr()?.mean_keepdim((0, 2, 3))?;
        let mut y = d.broadcast_div(&(var + 1e-5)?.sqrt()?)?;
        if let Some(w) = weight {
            y = y.broadcast_mul(&w.reshape((1, c, 1, 1))?)?;
        }
        match bias {
            Some(b) => y.broadcast_add(&b.reshape((1, c, 1, 1))?),
            None => Ok(y),
        }
    };
    let parts: candle_core::Result<Vec<Tensor>> = (0..n).step_by(group).map(one).collect();
    Tensor::cat(&parts?, 0)
}

fn prelu(x: &Tensor, slope: &Var) -> candle_core::Result<Tensor> {
    let c = x.dims4()?.1;
    let negative = (x - x.relu()?)?;
    x.relu()? + negative.broadcast_mul(&slope.reshape((1, c, 1, 1))?)?
}

#[test]
fn batch_norms_in_groups() {
    for (affine, group) in [
        (Affine::Learned, 6),
        (Affine::Learned, 2),
        (Affine::FrozenScale, 3),
        (Affine::None, 6),
    ] {
        check(
            [6, 3, 5, 7],
            group,
            |b, x| b.batch_norm(x, "n", affine),
            |x, v| batch_norm(x, group, v.get("n.weight"), v.get("n.bias")),
        );
    }
}

#[test]
fn batch_norm_fused_with_activation_and_addition() {
    check(
        [4, 5, 3, 21],
        2,
        |b, x| {
            let y = b.batch_norm(x, "n", Affine::Learned);
            let y = b.prelu(y, "p");
            b.add(x, y)
        },
        |x, v| {
            let y = batch_norm(x, 2, v.get("n.weight"), v.get("n.bias"))?;
            prelu(&y, &v["p.weight"])? + x
        },
    );
    check(
        [4, 5, 3, 4],
        4,
        |b, x| {
            let y = b.batch_norm(x, "n", Affine::Learned);
            b.relu6(y)
        },
        |x, v| {
            let y = batch_norm(x, 4, v.get("n.weight"), v.get("n.bias"))?;
            y.relu()? - (y - 6.0)?.relu()?
        },
    );
}

#[test]
fn activations_and_products() {
    let shape = [3, 4, 5, 6];
    check(
        shape,
        3,
        |b, x| b.prelu(x, "p"),
        |x, v| prelu(x, &v["p.weight"]),
    );
    check(shape, 3, |b, x| b.relu(x), |x, _| x.relu());
    check(
        shape,
        3,
        |b, x| b.relu6(x),
        |x, _| x.relu()? - ((x - 6.0)?).relu()?,
    );
    check(
        shape,
        3,
        |b, x| b.sigmoid(x),
        |x, _| candle_nn::ops::sigmoid(x),
    );
    check(shape, 3, |b, x| b.add(x, x), |x, _| x + x);
    check(shape, 3, |b, x| b.mul(x, x), |x, _| x * x);
    check(
        shape,
        3,
        |b, x| {
            let m = b.global_avg_pool(x);
            b.mul(x, m)
        },
        |x, _| x.broadcast_mul(&x.mean_keepdim((D::Minus2, D::Minus1))?),
    );
    check(
        shape,
        3,
        |b, x| {
            let m = b.conv(x, "one", Conv::new(1, 1));
            b.mul(x, m)
        },
        |x, v| x.broadcast_mul(&x.conv2d(&v["one.weight"], 0, 1, 1, 1)?),
    );
}

#[test]
fn several_consumers_add_their_gradients() {
    check(
        [2, 6, 5, 4],
        2,
        |b, x| {
            let a = b.conv(x, "a", Conv::new(4, 3));
            let p = b.conv(a, "p", Conv::new(4, 1));
            let q = b.conv(a, "q", Conv::new(4, 3));
            let s = b.add(p, q);
            b.add(s, a)
        },
        |x, v| {
            let a = x.conv2d(&v["a.weight"], 1, 1, 1, 1)?;
            let p = a.conv2d(&v["p.weight"], 0, 1, 1, 1)?;
            let q = a.conv2d(&v["q.weight"], 1, 1, 1, 1)?;
            (p + q)? + a
        },
    );
}

#[test]
fn attention_poolings() {
    for shape in [[2, 5, 3, 7], [3, 4, 6, 33], [1, 1, 1, 2]] {
        check(
            shape,
            shape[0],
            |b, x| b.mean_max_pixels(x),
            |x, _| {
                let x = x.flatten_from(2)?;
                let both = [x.mean_keepdim(2)?, x.max_keepdim(2)?];
                Tensor::cat(&both, 2)?.unsqueeze(3)
            },
        );
        check(
            shape,
            shape[0],
            |b, x| b.mean_max_channels(x),
            |x, _| Tensor::cat(&[x.mean_keepdim(1)?, x.max_keepdim(1)?], 1),
        );
        check(
            shape,
            shape[0],
            |b, x| b.sum_pixels(x),
            |x, _| x.sum_keepdim((2, 3)),
        );
    }
}

#[test]
fn subsampling() {
    for (shape, stride) in [([2, 6, 4, 7], 2), ([3, 5, 7, 4], 2), ([1, 7, 4, 3], 3)] {
        check(
            shape,
            shape[0],
            |b, x| b.subsample(x, stride),
            |x, _| {
                let pick = |side: usize| -> Vec<u32> { (0..side as u32).step_by(stride).collect() };
                let index = |side| Tensor::new(pick(side), x.device());
                x.index_select(&index(shape[1])?, 2)?
                    .index_select(&index(shape[2])?, 3)
            },
        );
    }
}
