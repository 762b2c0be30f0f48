//! Cases of any shape, with any parameters: what is wrong with them is said, and nothing panics.

use frbench::parity::{self, Case, Verdict};
use frbench::rng::Stream;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A golden case taken apart.
#[derive(Clone)]
struct Parts {
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(path: &Path) -> Parts {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = all.iter().map(|(name, t)| {
            let stored = (t.dtype(), t.shape().to_vec(), t.data().to_vec());
            (name.to_string(), stored)
        });
        Parts {
            metadata: header.metadata().clone().unwrap(),
            tensors: tensors.collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        serialize(views, Some(self.metadata.clone())).unwrap()
    }

    /// A tensor in another shape, of the bytes it has as far as they go.
    fn reshape(&mut self, name: &str, shape: Vec<usize>) {
        let (dtype, old, data) = self.tensors.get_mut(name).unwrap();
        let size = dtype.bitsize() / 8 * shape.iter().product::<usize>();
        let cycle: Vec<u8> = data.clone();
        data.clear();
        data.extend(cycle.into_iter().cycle().take(size));
        data.resize(size, 0);
        *old = shape;
    }
}

/// Golden cases that are computed quickly, or those whose operation begins so.
fn golden(prefix: &str) -> Vec<Parts> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity");
    let mut files = parity::files(&[folder]).unwrap();
    files.retain(|f| {
        !f.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("backbone")
    });
    let parts = files.iter().map(|f| Parts::of(f));
    parts
        .filter(|p| p.metadata["op"].starts_with(prefix))
        .collect()
}

fn run(parts: &Parts) -> frbench::Result<parity::Outcome> {
    parity::run(&Case::parse(&parts.bytes(), Path::new("x.safetensors"))?)
}

/// Sizes and numbers that something may go wrong at.
const SIZES: [usize; 8] = [0, 1, 2, 3, 5, 7, 16, 33];
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "2",
    "1e-300",
    "1e308",
    "1e18",
    "9223372036854775807",
    "4294967296",
    "0.5",
    "\"x\"",
    "[]",
    "[0, 1000000]",
    "null",
];

fn mutate(parts: &mut Parts, stream: &mut Stream) {
    let mut pick = |n: usize| stream.below(n as u64) as usize;
    let names: Vec<String> = parts.tensors.keys().cloned().collect();
    let name = names[pick(names.len())].clone();
    let (dtype, shape, data) = parts.tensors.get_mut(&name).unwrap();
    match pick(6) {
        0 | 1 => {
            let mut shape = shape.clone();
            match (pick(4), shape.len()) {
                (0, n) if n > 1 => drop(shape.pop()),
                (1, _) => shape.push(SIZES[1 + pick(3)]),
                (_, n) if n > 0 => {
                    let at = pick(n);
                    shape[at] = SIZES[pick(SIZES.len())];
                }
                _ => {}
            }
            parts.reshape(&name, shape);
        }
        2 if *dtype == Dtype::I64 && !data.is_empty() => {
            let values: [i64; 6] = [-1, 7, 1000, 1 << 31, 1 << 32, i64::MIN];
            let at = 8 * pick(data.len() / 8);
            data[at..at + 8].copy_from_slice(&values[pick(6)].to_le_bytes());
        }
        2 | 3 if *dtype == Dtype::F32 && !data.is_empty() => {
            let values = [0.0, f32::NAN, f32::INFINITY, f32::MAX, 1e-40];
            let value = values[pick(5)].to_le_bytes();
            match pick(2) {
                0 => data.chunks_mut(4).for_each(|v| v.copy_from_slice(&value)),
                _ => data[..4].copy_from_slice(&value),
            }
        }
        4 => drop(parts.tensors.remove(&name)),
        _ => {
            let text = &parts.metadata["params"];
            let mut params: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(text).unwrap();
            let known: Vec<String> = params.keys().cloned().collect();
            let name = match known.len() {
                0 => "k".to_string(),
                n => known[pick(n)].clone(),
            };
            let value = serde_json::from_str(NUMBERS[pick(NUMBERS.len())]).unwrap();
            params.insert(name, value);
            let text = serde_json::to_string(&params).unwrap();
            parts.metadata.insert("params".into(), text);
        }
    }
}

#[test]
fn nothing_panics_on_cases_of_any_shape() {
    let cases = golden("");
    let mut stream = Stream::derive(1, "parity/shapes", &[]);
    for round in 0..100 {
        for (i, case) in cases.iter().enumerate() {
            let mut case = case.clone();
            for _ in 0..1 + stream.below(3) {
                mutate(&mut case, &mut stream);
            }
            let shapes = || {
                case.tensors
                    .iter()
                    .map(|(n, t)| (n, &t.1))
                    .collect::<Vec<_>>()
            };
            let ran = std::panic::catch_unwind(|| run(&case).map(drop));
            assert!(
                ran.is_ok(),
                "{round} {i}: {:?} {:?}",
                case.metadata,
                shapes()
            );
        }
    }
}

/// What a run says of a case that cannot be computed.
fn refused(parts: &Parts) -> String {
    match run(parts) {
        Err(error) => error.to_string(),
        Ok(outcome) => {
            assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
            outcome.reason.unwrap()
        }
    }
}

#[test]
fn sizes_of_zero_are_named() {
    for name in ["input.embeddings", "input.weight", "input.labels"] {
        let mut case = golden("head/arcface").remove(0);
        let mut shape = case.tensors[name].1.clone();
        shape[0] = 0;
        case.reshape(name, shape);
        let said = refused(&case);
        assert!(
            said.contains(name) && said.contains("a size is 0"),
            "{said}"
        );
    }
}

/// A megabyte of embeddings and one of class weights make a matrix of terabytes.
#[test]
fn memory_is_counted_before_it_is_taken() {
    let mut case = golden("head/arcface").remove(0);
    case.reshape("input.embeddings", vec![250_000, 1]);
    case.reshape("input.weight", vec![250_000, 1]);
    let said = refused(&case);
    assert!(
        said.contains("more than 4 GiB") && said.contains("[250000, 250000]"),
        "{said}"
    );

    let mut case = golden("distill/rkd").remove(0);
    for side in ["input.student", "input.teacher"] {
        case.reshape(side, vec![100_000, 2]);
    }
    assert!(refused(&case).contains("more than 4 GiB"));

    let mut case = golden("eval/identification").remove(0);
    case.reshape("input.probe", vec![100_000, 1]);
    case.reshape("input.distractor", vec![10, 1]);
    assert!(refused(&case).contains("pairs of probes"));
}

#[test]
fn a_network_of_any_size_is_refused_before_it_is_built() {
    let params = |shape: &str| format!(r#"{{"prelu": [], "input": "x", "input_shape": {shape}}}"#);
    let expect = |d: usize| (Dtype::F32, vec![1, d], vec![0; 4 * d]);
    let case = |shape: &str, state: &str, d: usize| Parts {
        metadata: HashMap::from(
            [
                ("frbench.parity", "1"),
                ("op", "backbone/iresnet18"),
                ("fill", "splitmix64-v1"),
                ("params", &params(shape)),
                ("state_dict", state),
            ]
            .map(|(k, v)| (k.to_string(), v.to_string())),
        ),
        tensors: BTreeMap::from([("expect.embedding".to_string(), expect(d))]),
    };
    for (shape, state, d, says) in [
        (
            "[1, 3, 112, 112]",
            r#"{"a": [1099511627776]}"#,
            512,
            "4 GiB",
        ),
        (
            "[1, 3, 112, 112]",
            r#"{"a": [18446744073709551615, 9]}"#,
            512,
            "4 GiB",
        ),
        ("[1, 3, 112, 112]", "{}", 1 << 20, "4 GiB"),
        (
            "[1, 3, 1152921504606846976, 1152921504606846976]",
            "{}",
            512,
            "4 GiB",
        ),
        ("[0, 3, 112, 112]", "{}", 512, "want `[N, 3, S, S]`"),
        ("[1, 4, 112, 112]", "{}", 512, "want `[N, 3, S, S]`"),
        ("[1, 3, 0, 0]", "{}", 512, "multiple of 16"),
    ] {
        let said = refused(&case(shape, state, d));
        assert!(said.contains(says), "{shape} {state}: {said}");
    }
}

#[test]
fn unknown_parameters_are_refused() {
    for (op, name) in [
        ("eval/verification", "distance"),
        ("eval/identification", "norm"),
        ("eval/template", "detector"),
        ("block/", "kernel"),
        ("head/arcface", "easy"),
        ("distill/rkd", "w"),
    ] {
        let mut case = golden(op).remove(0);
        let params = case.metadata["params"].replacen('{', &format!(r#"{{"{name}": 1, "#), 1);
        case.metadata.insert("params".into(), params);
        let said = refused(&case);
        assert!(
            said.contains("unknown parameter") && said.contains(name),
            "{said}"
        );
    }
}
