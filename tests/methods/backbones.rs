//! Backbones against the sizes that are published of them, and against their other depths.

use crate::common::training;
use crate::proofs::Recomputation;
use frbench::backbone;
use frbench::engine::{self, Network};
use frbench::job::BackboneSpec;
use frbench::rng::Stream;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Backbones by name, each with what computes its size a second time.
pub const RECOMPUTED: &[Recomputation] = &[
    ("mobilefacenet", by_the_papers_table),
    ("mobilenetv2", by_the_published_body),
    ("res50-ir", by_switching_attention_off),
];

/// Parameters and MACs at 112 x 112 with 512 dimensions.
fn counts(name: &str, params: Value) -> (usize, u64) {
    let spec = BackboneSpec {
        name: name.into(),
        embedding: 512,
        params: serde_json::from_value(params).unwrap(),
        conv: Default::default(),
    };
    let network = Network::new(backbone::build(&spec, 112).unwrap());
    (network.parameter_count(), network.macs())
}

/// What a network on maps of some side and channels has so far.
struct Sum {
    side: usize,
    channels: usize,
    parameters: usize,
    macs: usize,
}

impl Sum {
    /// A convolution and its norm. Each output channel reads `reads` input channels.
    fn conv(&mut self, kernel: usize, stride: usize, channels: usize, reads: usize) {
        let weights = kernel * kernel * reads * channels;
        self.side /= stride;
        self.channels = channels;
        self.parameters += weights + 2 * channels;
        self.macs += weights * self.side * self.side;
    }

    fn prelu(&mut self) {
        self.parameters += self.channels;
    }

    /// Expand `t` times, filter each channel, project.
    fn bottleneck(&mut self, t: usize, stride: usize, channels: usize) {
        let (from, middle) = (self.channels, t * self.channels);
        self.conv(1, 1, middle, from);
        self.prelu();
        self.conv(3, stride, middle, 1);
        self.prelu();
        self.conv(1, 1, channels, middle);
    }
}

/// Chen et al. 2018, table 1, summed up, with 512 dimensions where the paper has 128.
fn by_the_papers_table(name: &str) {
    let mut sum = Sum {
        side: 112,
        channels: 3,
        parameters: 0,
        macs: 0,
    };
    sum.conv(3, 2, 64, 3);
    sum.prelu();
    sum.conv(3, 1, 64, 1);
    sum.prelu();
    // Of the blocks that a line repeats, the first has the line's stride.
    for (t, channels, repeat, stride) in [
        (2, 64, 5, 2),
        (4, 128, 1, 2),
        (2, 128, 6, 1),
        (4, 128, 1, 2),
        (2, 128, 2, 1),
    ] {
        for block in 0..repeat {
            sum.bottleneck(t, if block == 0 { stride } else { 1 }, channels);
        }
    }
    sum.conv(1, 1, 512, 128);
    sum.prelu();
    sum.conv(7, 7, 512, 1);
    sum.conv(1, 1, 512, 512);
    let (parameters, macs) = counts(name, json!({}));
    assert_eq!((parameters, macs), (sum.parameters, sum.macs as u64));
}

/// torchvision's body without its classifier has 2,223,872 parameters; the end adds its filters
/// (4 x 4 or 7 x 7 of 1,280), their norm, 512 x 1,280 weights and a norm of 512.
fn by_the_published_body(name: &str) {
    let (p, m) = counts(name, json!({"stem_stride": 2}));
    assert_eq!(p, 2_223_872 + 1280 * 16 + 2560 + 512 * 1280 + 1024);
    assert!((75_000_000..85_000_000).contains(&m), "{m}");
    // With stride 1 the body works on the maps that it has at 224 x 224, where the published
    // count is 300 M.
    let (p, m) = counts(name, json!({"stem_stride": 1}));
    assert_eq!(p, 2_223_872 + 1280 * 49 + 2560 + 512 * 1280 + 1024);
    assert!((299_000_000..302_000_000).contains(&m), "{m}");
}

/// The golden network with attention: where its convolutions of attention are 0, every gate is a
/// half, so that a last norm of the residual of four times the size makes up for the two.
fn by_switching_attention_off(name: &str) {
    let build = |name: &str| {
        let spec = BackboneSpec {
            name: name.into(),
            embedding: 16,
            params: serde_json::from_value(json!({"width": 0.125})).unwrap(),
            conv: Default::default(),
        };
        Network::new(backbone::build(&spec, 32).unwrap())
    };
    let (mut plain, mut attending) = (build(name), build("cbam-iresnet50"));
    plain.init(5);
    let mut stream = Stream::derive(8, "pixels", &[]);
    let pixels = (0..4 * 32 * 32 * 3).map(|_| stream.normal() as f32);
    let x = engine::Value::new([4, 32, 32, 3], pixels.collect()).unwrap();
    let mode = engine::TrainMode {
        bn_group: 4,
        seed: 0,
        step: 0,
    };
    for _ in 0..5 {
        plain.forward_train(&x, mode).unwrap();
    }
    let mut state = plain.state_dict();
    for (parameter, (shape, _)) in attending.state_dict() {
        if parameter.contains("channel_layer") || parameter.contains("spatial_layer") {
            let zeros = vec![0.0; shape.iter().product()];
            state.insert(parameter, (shape, zeros));
        } else if parameter.ends_with("res_layer.5.weight")
            || parameter.ends_with("res_layer.5.bias")
        {
            let (_, values) = state.get_mut(&parameter).unwrap();
            values.iter_mut().for_each(|v| *v *= 4.0);
        }
    }
    attending.load_state_dict(&state).unwrap();
    let (a, b) = (plain.infer(&x).unwrap(), attending.infer(&x).unwrap());
    let wide = |v: &engine::Value| v.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let off = frbench::compare::relative_error(&wide(&a.embedding), &wide(&b.embedding));
    assert!(off < 1e-5, "{off}");
    assert!(wide(&a.embedding).iter().any(|v| v.abs() > 0.1));
}

#[test]
fn the_network_of_face_pytorch_is_the_attending_one_without_attention() {
    by_switching_attention_off("res50-ir");
    // One more learned scale than an iResNet-50 has: a frozen one counts as well.
    assert_eq!(counts("res50-ir", json!({})).0, 43_590_848);
}

#[test]
fn parameter_counts_are_the_published_ones() {
    assert_eq!(counts("iresnet18", json!({})).0, 24_025_600);
    assert_eq!(counts("iresnet34", json!({})).0, 34_139_328);
    assert_eq!(counts("iresnet50", json!({})).0, 43_590_848);
    assert_eq!(counts("iresnet100", json!({})).0, 65_156_160);
    assert_eq!(counts("cbam-iresnet50", json!({})).0, 43_814_000);
    let (p, m) = counts("mobilefacenet", json!({}));
    assert!((1_190_000..1_210_000).contains(&p), "{p}");
    assert!((220_000_000..236_000_000).contains(&m), "{m}");
    let (_, m) = counts("mobilefacenet-mbf", json!({}));
    assert!((430_000_000..450_000_000).contains(&m), "{m}");
    by_the_papers_table("mobilefacenet");
    by_the_published_body("mobilenetv2");
}

/// Names and shapes of what a network holds, where all blocks of a stage but its first are one,
/// and in how many blocks that is.
fn parts(name: &str) -> (BTreeMap<String, Vec<usize>>, usize) {
    let spec = training::network(name, 16, 0.125);
    let network = Network::new(backbone::build(&spec, 32).unwrap());
    let state = network.state_dict();
    // Where all blocks are in one row, a stage is told by its channels.
    let channels = |block: usize| {
        let conv = state.get(&format!("body.{block}.res_layer.1.weight"))?;
        Some(conv.0[0])
    };
    let mut parts = BTreeMap::new();
    let mut later = 0;
    for (parameter, (shape, _)) in &state {
        let mut path: Vec<&str> = parameter.split('.').collect();
        let stage;
        if path[0] == "body" {
            let block: usize = path[1].parse().unwrap();
            let first = block == 0 || channels(block - 1) != channels(block);
            later += usize::from(!first);
            stage = format!("{:?}, first: {first}", channels(block));
            path[1] = &stage;
        } else if path[0].starts_with("layer") && path[1] != "0" {
            path[1] = "later";
            later += 1;
        }
        let part = path.join(".");
        let before = parts.insert(part, shape.clone());
        assert!(before.is_none_or(|b| b == *shape), "{name}: {parameter}");
    }
    (parts, later)
}

/// Two depths of one architecture have the same parts, and differ in how often.
pub fn differ_in_depth_only(a: &str, b: &str) {
    let ((a_parts, a_later), (b_parts, b_later)) = (parts(a), parts(b));
    assert_eq!(a_parts, b_parts, "{a} and {b}");
    assert_ne!(a_later, b_later, "{a} and {b}");
}
