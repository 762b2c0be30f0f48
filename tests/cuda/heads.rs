//! Margin heads over class weights on a GPU: every preset of every head says and learns what it
//! does on the CPU.

use crate::common::gpu::gpu;
use candle_core::{DType, Device, Tensor, Var};
use frbench::compare::relative_error;
use frbench::engine::Sgd;
use frbench::head::{self, HEADS, Head, HeadInput, WeightGrad};
use frbench::job::{HeadSpec, OptimizerSpec, Precision};
use frbench::rng::Stream;

const BATCH: usize = 9;
const DIM: usize = 33;
const CLASSES: usize = 301;

fn normal(seed: &str, n: usize) -> Vec<f32> {
    let mut stream = Stream::derive(11, seed, &[]);
    (0..n).map(|_| stream.normal() as f32).collect()
}

fn sgd(len: usize) -> Sgd {
    let spec = OptimizerSpec {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 5e-4,
        clip: None,
        spare_norms: false,
    };
    Sgd::new(&spec, len)
}

fn head(spec: &HeadSpec) -> Box<dyn Head> {
    let mut head = head::build(spec).unwrap();
    head.seed(3);
    head
}

/// Loss, logits (none if not asked for and not made), gradient of the embeddings.
fn pass(
    head: &mut dyn Head,
    logits: bool,
    weight: &Tensor,
    grad: &WeightGrad,
    labels: &[u32],
    x: &[f32],
) -> (f64, Vec<f64>, Vec<f64>) {
    let x = Var::from_slice(x, (BATCH, DIM), &Device::Cpu).unwrap();
    let input = HeadInput {
        embeddings: x.as_tensor(),
        weight,
        weight_grad: Some(grad),
        labels,
        logits,
        epoch: 9,
        step: 4,
    };
    let output = head.forward(&input).unwrap();
    let grads = output.loss.backward().unwrap();
    let flat = |t: &Tensor| -> Vec<f64> {
        let all: Vec<f32> = t.flatten_all().unwrap().to_vec1().unwrap();
        all.into_iter().map(f64::from).collect()
    };
    let loss = f64::from(output.loss.to_scalar::<f32>().unwrap());
    (
        loss,
        output.logits.as_ref().map_or(Vec::new(), flat),
        flat(grads.get(&x).unwrap()),
    )
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| f64::from(v)).collect() };
    relative_error(&wide(a), &wide(b))
}

#[test]
fn every_head_learns_on_the_gpu_what_it_learns_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let mut stayed = 0;
    for entry in HEADS {
        for preset in entry.presets {
            let what = format!("{} ({})", entry.info.name, preset.name);
            let spec = HeadSpec {
                name: entry.info.name.into(),
                params: serde_json::from_str(preset.params).unwrap(),
            };
            let mut theirs = head(&spec);
            let rows = CLASSES * theirs.rows_per_class();
            let mut weight = normal("weight", rows * DIM);
            // A row without a direction.
            weight[5 * DIM..6 * DIM].fill(0.0);
            let mut x = normal("x", BATCH * DIM);
            let labels: Vec<u32> = (0..BATCH as u32).map(|i| i * 31).collect();
            // Some are near to their class, as in a training that has come some way.
            for i in 0..BATCH / 2 {
                let class = labels[i] as usize * theirs.rows_per_class();
                for k in 0..DIM {
                    x[i * DIM + k] = weight[class * DIM + k] + 0.3 * x[i * DIM + k];
                }
            }

            let mut cpu_sgd = sgd(weight.len());
            let mut cpu_weight = weight.clone();
            let leaf = Tensor::from_slice(&weight, (rows, DIM), &Device::Cpu).unwrap();
            let leaf = Var::from_tensor(&leaf).unwrap();
            let sink = WeightGrad::default();
            let want = pass(theirs.as_mut(), true, leaf.as_tensor(), &sink, &labels, &x);
            sink.take(|grad| cpu_sgd.step(&mut cpu_weight, grad, 0.1));

            // With the logits the products come to the host, without they may stay where they are.
            for logits in [true, false] {
                let what = format!("{what}, logits {logits}");
                let classes = gpu.classes(&weight, DIM, Precision::F32);
                let sink = WeightGrad::on_device(classes.unwrap().unwrap());
                let shape = Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap();
                let shape = shape.broadcast_as((rows, DIM)).unwrap();
                let got = pass(head(&spec).as_mut(), logits, &shape, &sink, &labels, &x);
                let sgd = sgd(weight.len());
                sink.device().unwrap().step(&sgd, 0.1).unwrap();
                let [weight, velocity] = sink.device().unwrap().pull().unwrap();
                if logits {
                    let off = relative_error(&got.1, &want.1);
                    assert!(off < 1e-5, "{what}: logits off by {off}");
                }
                let off = [
                    ("loss", (got.0 - want.0).abs() / want.0.abs()),
                    ("embeddings", relative_error(&got.2, &want.2)),
                    ("weights", distance(&weight, &cpu_weight)),
                    ("velocity", distance(&velocity, cpu_sgd.velocity())),
                ];
                for (of, off) in off {
                    assert!(off < 1e-5, "{what}: {of} off by {off}");
                }
                stayed += usize::from(got.1.is_empty());
            }
        }
    }
    assert!(
        stayed > 5,
        "{stayed} of all presets need nothing on the host"
    );
}
