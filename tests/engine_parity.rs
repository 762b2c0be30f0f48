//! Backbones against embeddings that the authors' PyTorch code gave in float64.

use frbench::backbone;
use frbench::nn::{Network, StateDict, Value};
use frbench::plan::spec::BackboneSpec;
use std::collections::BTreeMap;
use std::path::Path;

fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// In [-1, 1), from a name and an index.
fn u(crc: u64, i: u64) -> f64 {
    (splitmix64((crc << 32) | i) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

fn fill(name: &str, shape: &[usize], prelu: &[String]) -> Vec<f32> {
    let crc = u64::from(crc32fast::hash(name.as_bytes()));
    let fan: usize = shape.iter().skip(1).product();
    let value = |u: f64| match name {
        _ if name.ends_with("running_var") => 1.0 + 0.2 * u,
        _ if name.ends_with("running_mean") || name.ends_with("bias") => 0.1 * u,
        _ if prelu.iter().any(|p| p == name) => 0.25 + 0.1 * u,
        _ if shape.len() >= 2 => u * (3.0 / fan as f64).sqrt(),
        _ => 1.0 + 0.1 * u,
    };
    let len: usize = shape.iter().product();
    (0..len as u64).map(|i| value(u(crc, i)) as f32).collect()
}

fn case(file: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity")
        .join(file);
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let meta = header.metadata().clone().unwrap();
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_str(&meta["state_dict"]).unwrap();
    let params: serde_json::Value = serde_json::from_str(&meta["params"]).unwrap();
    let prelu: Vec<String> = serde_json::from_value(params["prelu"].clone()).unwrap();
    let input: Vec<usize> = serde_json::from_value(params["input_shape"].clone()).unwrap();

    let state: StateDict = shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = fill(&name, &shape, &prelu);
            (name, (shape, values))
        })
        .collect();
    let crc = u64::from(crc32fast::hash(
        params["input"].as_str().unwrap().as_bytes(),
    ));
    let pixels: Vec<f32> = (0..input.iter().product::<usize>() as u64)
        .map(|i| u(crc, i) as f32)
        .collect();
    let x = candle_core::Tensor::from_vec(pixels, input, &candle_core::Device::Cpu).unwrap();

    let spec = BackboneSpec {
        name: name.into(),
        embedding: 512,
        params: BTreeMap::new(),
    };
    let mut net = Network::new(backbone::build(&spec, 112).unwrap());
    net.load_state_dict(&state).unwrap();
    let got = net
        .infer(&Value::from_tensor(&x).unwrap())
        .unwrap()
        .embedding;

    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (want, _) = tensors
        .tensor("expect.embedding")
        .unwrap()
        .data()
        .as_chunks::<8>();
    let want: Vec<f64> = want.iter().map(|b| f64::from_le_bytes(*b)).collect();
    assert_eq!(want.len(), got.data().len());
    let square = |v: f64| v * v;
    let off: f64 = want
        .iter()
        .zip(got.data())
        .map(|(w, g)| square(w - f64::from(*g)))
        .sum();
    let size: f64 = want.iter().map(|w| square(*w)).sum();
    let error = (off / size).sqrt();
    println!("{name}: relative error {error:.2e}");
    assert!(error <= 1e-4, "{name}: relative error {error:e}");
}

#[test]
fn iresnet18_embeds_as_in_pytorch() {
    case("backbone-iresnet18.safetensors", "iresnet18");
}

#[test]
fn mobilefacenet_mbf_embeds_as_in_pytorch() {
    case("backbone-mobilefacenet.safetensors", "mobilefacenet-mbf");
}

#[test]
fn cbam_iresnet50_embeds_as_in_pytorch() {
    case("backbone-cbam-iresnet50.safetensors", "cbam-iresnet50");
}
