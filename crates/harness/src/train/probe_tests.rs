use super::*;
use candle_core::Device;
use frbench_base::rng::Stream;
use frbench_engine::{Affine, Conv, GraphBuilder, NodeId};
use frbench_job::HeadSpec;
use frbench_methods::head;
use serde_json::json;

const MODE: TrainMode = TrainMode {
    bn_group: 6,
    seed: 1,
    step: 0,
};
const LABELS: [u32; 6] = [0, 1, 2, 2, 1, 0];
const DIM: usize = 4;

fn normal(name: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::derive(3, name, &[]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

/// A network, a head with class weights, and images.
struct Scene {
    network: Network,
    probe: Probe,
    images: Value,
    weight: Vec<f32>,
}

impl Scene {
    fn new(
        build: impl Fn(&mut GraphBuilder) -> NodeId,
        head: serde_json::Value,
        shape: [usize; 3],
    ) -> Self {
        let mut b = GraphBuilder::new(shape);
        let last = build(&mut b);
        let mut network = Network::new(b.finish(last).unwrap());
        network.init(2);
        let noise = normal("params", network.params().values.len());
        for (p, noise) in network.params_mut().values.iter_mut().zip(noise) {
            *p += 0.2 * noise;
        }
        let spec: HeadSpec = serde_json::from_value(head).unwrap();
        let [h, w, c] = shape;
        let pixels = normal("images", 6 * h * w * c);
        Scene {
            network,
            probe: Probe::new(head::build(&spec).unwrap()),
            images: Value::new([6, h, w, c], pixels).unwrap(),
            weight: normal("weight", 3 * DIM),
        }
    }

    fn with<R>(&mut self, images: &Value, f: impl FnOnce(&mut Probe, &Around) -> R) -> R {
        let weight = Tensor::from_slice(&self.weight, (3, DIM), &Device::Cpu).unwrap();
        let around = Around {
            network: &self.network,
            mode: MODE,
            images,
            weight: &weight,
            labels: &LABELS,
            epoch: 1,
        };
        f(&mut self.probe, &around)
    }

    fn input_gradients(&mut self) -> Tensor {
        let images = self.images.clone();
        self.with(&images, |p, a| p.input_gradients(a).unwrap())
    }

    fn pull_back(&mut self, grad: &Tensor, reach: f64) -> Learned {
        let images = self.images.clone();
        let learned = self.with(&images, |p, a| p.pull_back_by(a, grad, reach).unwrap());
        learned.unwrap()
    }

    /// The sum over the batch of the images' losses.
    fn loss(&mut self, images: &Value) -> f64 {
        self.with(images, |p, a| {
            let (output, _) = a.network.trace_training(images, a.mode).unwrap();
            let output = p.head.forward(&HeadInput {
                embeddings: &output.embedding.to_tensor().unwrap(),
                weight: a.weight,
                weight_grad: None,
                labels: a.labels,
                logits: true,
                epoch: 1,
                step: 0,
            });
            6.0 * f64::from(output.unwrap().loss.to_scalar::<f32>().unwrap())
        })
    }
}

fn flat(t: &Tensor) -> Vec<f64> {
    let values = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Relative L2 distance.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let mut off = got.iter().zip(want).map(|(g, w)| g - w);
    norm(&mut off) / norm(&mut want.iter().copied())
}

/// Convolution, batch norm over the batch, a smooth activation, embeddings through a margin.
fn smooth() -> Scene {
    let build = |b: &mut GraphBuilder| {
        let x = b.conv(b.input(), "conv", Conv::new(3, 3));
        let x = b.batch_norm(x, "norm", Affine::Learned);
        let x = b.sigmoid(x);
        let x = b.linear(x, "linear", DIM, true);
        b.batch_norm(x, "features", Affine::Learned)
    };
    let head = json!({"name": "arcface", "params": {"s": 4, "m": 0.2}});
    Scene::new(build, head, [4, 5, 2])
}

#[test]
fn input_gradients_are_differences_over_single_pixels() {
    let mut scene = smooth();
    let got = flat(&scene.input_gradients());
    let h = 1e-2f32;
    let images = scene.images.clone();
    let want: Vec<f64> = (0..got.len())
        .map(|i| {
            let mut at = |h: f32| {
                let mut pixels = images.to_vec();
                pixels[i] += h;
                scene.loss(&Value::new(images.shape(), pixels).unwrap())
            };
            (at(h) - at(-h)) / f64::from(2.0 * h)
        })
        .collect();
    let off = distance(&got, &want);
    assert!(off < 1e-3, "{off:e}");
}

/// `1/2 mean ||J - T||^2` differentiated by differences over every single parameter and class
/// weight, with J as the network gives it, against the pull-back of its gradient. J is of
/// 32 bits, which leaves the differences themselves good for about 1e-4.
#[test]
fn the_pull_back_is_the_gradient_of_a_loss_on_input_gradients() {
    let mut scene = smooth();
    let j = scene.input_gradients();
    let target = normal("target", j.elem_count());
    let target = Tensor::from_slice(&target, j.dims(), &Device::Cpu).unwrap();
    let target = (target * 0.3).unwrap();
    let grad = ((&j - &target).unwrap() * (1.0 / 6.0)).unwrap();
    let got = scene.pull_back(&grad, REACH);
    let mut got_all = wide(&got.params);
    got_all.extend(wide(&got.weight));

    let t = flat(&target);
    let of = |scene: &mut Scene| -> f64 {
        let j = flat(&scene.input_gradients());
        j.iter().zip(&t).map(|(j, t)| (j - t).powi(2)).sum::<f64>() / 12.0
    };
    let h = 4e-3f32;
    let mut want = Vec::new();
    for i in 0..got.params.len() {
        let start = scene.network.params().values[i];
        let mut at = |h: f32| {
            scene.network.params_mut().values[i] = start + h;
            of(&mut scene)
        };
        want.push((at(h) - at(-h)) / f64::from(2.0 * h));
        scene.network.params_mut().values[i] = start;
    }
    for i in 0..got.weight.len() {
        let start = scene.weight[i];
        let mut at = |h: f32| {
            scene.weight[i] = start + h;
            of(&mut scene)
        };
        want.push((at(h) - at(-h)) / f64::from(2.0 * h));
        scene.weight[i] = start;
    }
    let off = distance(&got_all, &want);
    assert!(off < 1e-3, "{off:e}");
    let split = got.params.len();
    let off = distance(&got_all[split..], &want[split..]);
    assert!(off < 1e-3, "class weights: {off:e}");
}

/// A linear network under plain softmax, where all of it can be written down:
/// `J_i = W' V' (p_i - y_i)`. In f64, differentiated by differences in f64.
#[test]
fn the_pull_back_of_a_linear_network_is_that_of_its_formula() {
    const INPUT: usize = 5;
    let build = |b: &mut GraphBuilder| b.linear(b.input(), "linear", DIM, false);
    let mut scene = Scene::new(
        build,
        json!({"name": "softmax", "params": {}}),
        [1, 1, INPUT],
    );
    let x = wide(scene.images.data());
    let u = normal("u", 6 * INPUT);
    let (u_wide, w, v) = (
        wide(&u),
        wide(&scene.network.params().values),
        wide(&scene.weight),
    );
    let j = |w: &[f64], v: &[f64]| -> Vec<f64> {
        let image = |i: usize| {
            let embedding = |d: usize| {
                (0..INPUT)
                    .map(|k| w[d * INPUT + k] * x[i * INPUT + k])
                    .sum()
            };
            let embedding: Vec<f64> = (0..DIM).map(embedding).collect();
            let logit = |c: usize| (0..DIM).map(|d| v[c * DIM + d] * embedding[d]).sum::<f64>();
            let exps: Vec<f64> = (0..3).map(|c| logit(c).exp()).collect();
            let total: f64 = exps.iter().sum();
            let wrong = |c: usize| exps[c] / total - f64::from(u8::from(LABELS[i] as usize == c));
            let down = |d: usize| (0..3).map(|c| wrong(c) * v[c * DIM + d]).sum::<f64>();
            let down: Vec<f64> = (0..DIM).map(down).collect();
            let pixel = move |k: usize| (0..DIM).map(|d| w[d * INPUT + k] * down[d]).sum::<f64>();
            (0..INPUT).map(pixel).collect::<Vec<f64>>()
        };
        (0..6).flat_map(image).collect()
    };
    let off = distance(&flat(&scene.input_gradients()), &j(&w, &v));
    assert!(off < 1e-5, "J: {off:e}");

    let of =
        |w: &[f64], v: &[f64]| -> f64 { j(w, v).iter().zip(&u_wide).map(|(j, u)| j * u).sum() };
    let differences = |len: usize, f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        (0..len)
            .map(|i| (f(i, 1e-6) - f(i, -1e-6)) / 2e-6)
            .collect()
    };
    let shifted = |x: &[f64], i: usize, h: f64| {
        let mut x = x.to_vec();
        x[i] += h;
        x
    };
    let want_w = differences(w.len(), &|i, h| of(&shifted(&w, i, h), &v));
    let want_v = differences(v.len(), &|i, h| of(&w, &shifted(&v, i, h)));
    let grad = Tensor::from_slice(&u, (6, INPUT), &Device::Cpu).unwrap();
    for (reach, tolerance) in [(1e-1, 1e-2), (REACH, 1e-3), (1e-4, 1e-2)] {
        let got = scene.pull_back(&grad, reach);
        let off = distance(&wide(&got.params), &want_w);
        let off_v = distance(&wide(&got.weight), &want_v);
        assert!(
            off < tolerance && off_v < tolerance,
            "reach {reach}: {off:e}, {off_v:e}"
        );
    }
}

#[test]
fn the_step_is_relative_to_images_and_direction() {
    let e = step(&[3.0, -3.0], &[0.5, 0.5], 1e-2).unwrap();
    assert!((e - 0.06).abs() < 1e-12);
    assert_eq!(step(&[0.0, 0.0], &[2.0, 2.0], 1e-2), Some(5e-3));
    assert_eq!(step(&[1.0, 1.0], &[0.0, 0.0], 1e-2), None);
    assert!(step(&[1.0], &[1e-30], 1e-2).unwrap() > 1e27);
}
