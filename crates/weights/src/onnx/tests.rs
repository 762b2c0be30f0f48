//! Models that ONNX Runtime answers, and models that ask for too much.

use super::proto;
use super::*;
use crate::container::tests::testdata;
use crate::npy::Npy;
use frbench_engine::Value as Images;

/// Two images as `testdata/make_onnx.py` has them.
fn embed(model: &OnnxNetwork, last: bool, number: fn(usize) -> f32) -> Vec<f32> {
    let [h, w, c] = model.graph.input_shape();
    let mut pixels = vec![0.0; 2 * h * w * c];
    for i in 0..pixels.len() {
        let (image, rest) = (i / (h * w * c), i % (h * w * c));
        let at = match last {
            true => rest,
            false => rest % (h * w) * c + rest / (h * w),
        };
        pixels[image * h * w * c + at] = number(i);
    }
    let images = Images::new([2, h, w, c], pixels).unwrap();
    let network = model.network().unwrap();
    network.infer(&images).unwrap().embedding.data().to_vec()
}

fn small(i: usize) -> f32 {
    ((i * 7 % 23) as f32 - 11.0) / 11.0
}

fn distance(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square =
        |all: &mut dyn Iterator<Item = f32>| all.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let off = square(&mut got.iter().zip(want).map(|(a, b)| a - b));
    (off / square(&mut want.iter().copied())).sqrt()
}

fn answer(name: &str) -> Vec<f32> {
    Npy::open(testdata().join(name)).unwrap().values()
}

#[test]
fn a_model_that_scales_its_input() {
    let model = OnnxNetwork::open(testdata().join("scaled.onnx")).unwrap();
    let done = model.preprocessing.clone().unwrap();
    assert_eq!(done.scale, [1.0 / 128.0; 3]);
    assert_eq!(done.shift, [-127.5 / 128.0; 3]);
    assert!(!model.unit_length && model.notes.is_empty());
    assert_eq!((model.opset, model.producer.as_str()), (13, "make_onnx"));
    let got = embed(&model, false, |i| (i * 7 % 256) as f32);
    let off = distance(&got, &answer("scaled.npy"));
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_model_with_channels_last_and_unit_length() {
    let model = OnnxNetwork::open(testdata().join("last.onnx")).unwrap();
    assert!(model.unit_length && model.preprocessing.is_none());
    assert_eq!(model.graph.input_shape(), [16, 16, 3]);
    let mut got = embed(&model, true, small);
    for row in got.chunks_exact_mut(6) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
    let off = distance(&got, &answer("last.npy"));
    assert!(off < 1e-5, "{off}");
}

#[test]
fn numbers_may_lie_beside_the_model_and_nowhere_else() {
    let model = OnnxNetwork::open(testdata().join("beside.onnx")).unwrap();
    let off = distance(&embed(&model, false, small), &answer("beside.npy"));
    assert!(off < 1e-5, "{off}");
    let files: Vec<&String> = model.sha256.keys().collect();
    assert_eq!(files, ["beside.bin", "beside.onnx"]);

    let whole = std::fs::read(testdata().join("beside.onnx")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::copy(testdata().join("beside.bin"), folder.path().join("x.bin")).unwrap();
    let fails = |location: &str| {
        // As long as `beside.bin`, so that the lengths around it stay right.
        assert_eq!(location.len(), 10);
        let at = whole.windows(10).position(|w| w == b"beside.bin").unwrap();
        let mut model = whole.clone();
        let mut from = at;
        while let Some(next) = model[from..].windows(10).position(|w| w == b"beside.bin") {
            model[from + next..from + next + 10].copy_from_slice(location.as_bytes());
            from += next + 10;
        }
        let path = inner.join("net.onnx");
        let error = OnnxNetwork::from_bytes(model, path).err().unwrap();
        assert_eq!(error.exit_code(), 5);
        error.to_string()
    };
    assert!(fails("../xxx.bin").contains("no path within the model's folder"));
    assert!(fails("/etc/shado").contains("no path within the model's folder"));
    assert!(fails("beside.bin").contains("beside the model"));
    std::fs::write(inner.join("short0.bin"), b"1234").unwrap();
    assert!(fails("short0.bin").contains("which has 4"));
    #[cfg(unix)]
    {
        let link = inner.join("linked.bin");
        std::os::unix::fs::symlink(folder.path().join("x.bin"), link).unwrap();
        assert!(fails("linked.bin").contains("no path within the model's folder"));
    }
}

/// A model of nodes over one image of 8 x 8 pixels, and constants.
fn model(nodes: Vec<proto::Node>, constants: Vec<proto::Tensor>) -> proto::Model {
    let info = |name: &str, sides: &[i64]| {
        let dim = sides.iter().map(|side| proto::Dimension {
            value: *side,
            param: String::new(),
        });
        let shape = proto::Shape { dim: dim.collect() };
        let tensor = proto::TensorType {
            elem_type: 1,
            shape: Some(shape),
        };
        let of = Some(proto::Type {
            tensor: Some(tensor),
        });
        let info = proto::ValueInfo {
            name: name.into(),
            of,
        };
        info.encode_to_vec()
    };
    let graph = proto::Graph {
        node: nodes.iter().map(Message::encode_to_vec).collect(),
        initializer: constants.iter().map(Message::encode_to_vec).collect(),
        input: vec![info("image", &[1, 3, 8, 8])],
        output: vec![info("out", &[1, 3])],
        sparse_initializer: Vec::new(),
    };
    proto::Model {
        producer_name: "tests".into(),
        graph: Some(graph),
        opset_import: Vec::new(),
        functions: Vec::new(),
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> proto::Node {
    proto::Node {
        input: inputs.iter().map(|i| i.to_string()).collect(),
        output: vec![output.into()],
        name: format!("the {op}"),
        op_type: op.into(),
        attribute: Vec::new(),
        domain: String::new(),
    }
}

fn with_ints(mut node: proto::Node, name: &str, ints: &[i64]) -> proto::Node {
    let attribute = proto::Attribute {
        name: name.into(),
        ints: ints.to_vec(),
        i: ints[0],
        ..Default::default()
    };
    node.attribute.push(attribute.encode_to_vec());
    node
}

fn floats(name: &str, dims: &[i64], numbers: &[f32]) -> proto::Tensor {
    proto::Tensor {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: numbers.to_vec(),
        ..Default::default()
    }
}

fn pool(from: &str) -> proto::Node {
    node("GlobalAveragePool", &[from], "out")
}

fn fails(model: &proto::Model) -> String {
    let error = OnnxNetwork::from_bytes(model.encode_to_vec(), "net.onnx");
    let error = error.err().unwrap();
    assert_eq!(error.exit_code(), 5);
    error.to_string()
}

#[test]
fn what_is_not_supported_is_refused_by_node_and_operator() {
    let conv = || node("Conv", &["image", "w"], "x");
    let weight = || floats("w", &[3, 1, 1, 1], &[1.0, 2.0, 3.0]);
    let group = |conv| with_ints(conv, "group", &[3]);
    for (first, constants, says) in [
        (
            node("Softmax", &["image"], "x"),
            vec![],
            "node `the Softmax`, operator `Softmax`: it is not supported",
        ),
        (
            node("Relu", &["nobody"], "x"),
            vec![],
            "it takes `nobody`, which nothing before it makes",
        ),
        (conv(), vec![weight()], "3 weights for 3 channels out of 3"),
        (
            group(with_ints(conv(), "dilations", &[2, 2])),
            vec![weight()],
            "dilation is not supported",
        ),
        (
            group(with_ints(conv(), "pads", &[1, 1, 0, 0])),
            vec![weight()],
            "`pads` is [1, 1, 0, 0]; the same",
        ),
        (
            group(with_ints(conv(), "pads", &[1 << 40; 4])),
            vec![weight()],
            "`pads` is",
        ),
        (
            group(with_ints(conv(), "strides", &[0, 0])),
            vec![weight()],
            "a stride of 0",
        ),
        (
            group(conv()),
            vec![floats("w", &[3, 1, 1, 1], &[1.0])],
            "1 numbers for a shape of [3, 1, 1, 1]",
        ),
        (
            group(conv()),
            vec![floats("w", &[3, 1, 1, 2], &[1.0; 6])],
            "square ones",
        ),
        (
            group(conv()),
            vec![floats("w", &[1 << 62, 4, 1, 1], &[1.0])],
            "a shape of",
        ),
        (
            group(conv()),
            vec![floats("w", &[-3, 1, 1, 1], &[1.0])],
            "a shape of [-3, 1, 1, 1]",
        ),
        (
            group(conv()),
            vec![floats("w", &[3, 1, 1, 1], &[1.0, f32::NAN, 0.0])],
            "not finite",
        ),
        (
            group(conv()),
            vec![proto::Tensor {
                data_type: 8,
                ..weight()
            }],
            "ONNX's type 8",
        ),
        (
            with_ints(node("MaxPool", &["image"], "x"), "kernel_shape", &[3, 3]),
            vec![],
            "a maximum over 3 x 3",
        ),
        (
            node("Add", &["image", "w"], "x"),
            vec![floats("w", &[8], &[1.0; 8])],
            "one for each channel",
        ),
        (
            node("Sub", &["image", "image"], "x"),
            vec![],
            "differences of two computed values",
        ),
        (
            node("MatMul", &["image", "w"], "x"),
            vec![weight()],
            "a map as its input, want a vector",
        ),
        (
            with_ints(node("Transpose", &["image"], "x"), "perm", &[0, 1, 3, 2]),
            vec![],
            "a map by [0, 1, 3, 2]",
        ),
    ] {
        let error = fails(&model(vec![first, pool("x")], constants));
        assert!(
            error.starts_with("net.onnx: node `the ") && error.contains(says),
            "{error}"
        );
    }
    let domain = proto::Node {
        domain: "com.microsoft".into(),
        ..node("Gelu", &["image"], "x")
    };
    assert!(fails(&model(vec![domain, pool("x")], vec![])).contains("a `Gelu` of `com.microsoft`"));
    let map = model(vec![node("Relu", &["image"], "out")], vec![]);
    assert!(fails(&map).contains("the output is a map of 8 x 8 pixels"));
    assert!(fails(&model(vec![], vec![])).contains("nothing makes the output"));
    // What the output does not need is not looked at.
    let beside = vec![node("Softmax", &["image"], "other"), pool("image")];
    let bytes = model(beside, vec![]).encode_to_vec();
    assert!(OnnxNetwork::from_bytes(bytes, "net.onnx").is_ok());
}

#[test]
fn a_small_model_asks_for_little_memory() {
    // A filter that makes many channels of one, and slopes for each of them, again and again.
    let many = 1 << 16;
    let weight = floats("w", &[many, 3, 1, 1], &vec![0.0; 3 << 16]);
    let mut nodes = vec![node("Conv", &["image", "w"], "x0")];
    let slope = floats("s", &[1], &[0.5]);
    for i in 0..200 {
        nodes.push(node(
            "PRelu",
            &[&format!("x{i}"), "s"],
            &format!("x{}", i + 1),
        ));
    }
    nodes.push(pool("x200"));
    let error = fails(&model(nodes, vec![weight, slope]));
    assert!(error.contains("over and over"), "{error}");
    // A map of many pixels.
    let conv = with_ints(node("Conv", &["image", "w"], "x"), "pads", &[4096; 4]);
    let conv = |i: usize| {
        let mut conv = conv.clone();
        conv.input[0] = if i == 0 {
            "image".into()
        } else {
            format!("x{}", i - 1)
        };
        conv.output[0] = format!("x{i}");
        conv
    };
    let nodes = (0..9).map(conv).chain([pool("x8")]).collect();
    let weight = floats("w", &[3, 3, 1, 1], &[0.0; 9]);
    assert!(fails(&model(nodes, vec![weight])).contains("it makes a value of"));
}

#[test]
fn damaged_models_fail_without_panic() {
    for name in ["scaled.onnx", "last.onnx", "beside.onnx"] {
        let whole = std::fs::read(testdata().join(name)).unwrap();
        let mut state = 5u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                match next(5) {
                    0 => bytes.truncate(at.max(1)),
                    1 => drop(bytes.splice(at..at, [next(256) as u8])),
                    2 => bytes[at] = 0xff,
                    _ => bytes[at] = next(256) as u8,
                }
            }
            let len = bytes.len();
            if let Ok(model) = OnnxNetwork::from_bytes(bytes, testdata().join(name)) {
                let numbers: usize = model.state.values().map(|(_, v)| v.len()).sum();
                assert!(
                    4 * numbers <= 8 * (len + 688) + (1 << 20),
                    "{numbers} of {len}"
                );
                assert!(model.network().is_ok());
            }
        }
    }
    assert!(!looks_like(b"\x80\x02"));
    let whole = std::fs::read(testdata().join("scaled.onnx")).unwrap();
    assert!(looks_like(&whole));
    let error = crate::WeightsFile::from_bytes(whole, "net.pt")
        .err()
        .unwrap();
    assert!(error.to_string().contains("an ONNX model"), "{error}");
}
