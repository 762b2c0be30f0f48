//! Executors that train nothing: what they find stands in a script. Data sets are real, and small.
//!
//! The script is a JSON file, whose path is in `FRBENCH_SCRIPT`:
//!
//! | entry | meaning |
//! |---|---|
//! | `code` | what the sources say: another text is other code, and draws other values |
//! | `bits` | another text gives other networks by the same code |
//! | `unsteady` | by row, whether a network is another one in each folder of runs |
//! | `means` | the mean value of each row; 0.8 where there is none |
//! | `sd` | the standard deviation over seeds |
//! | `scored` | is added to every value, by other code that scores |
//! | `fail`, `lost` | by label of a job, the reason why it fails; of `lost`, data are missing |
//! | `delay` | milliseconds that a training takes: of all, or by label of a job |

use frbench::job::JobSpec;
use frbench::job::result::{EmbedResult, JobResult, Metric, Model, ScoreResult, TrainResult};
use frbench::key::sha256_hex;
use frbench::plan::{Code, DeviceKind};
use frbench::rng::Stream;
use frbench::run::checkpoint::{CHECKPOINT, RECORD};
use frbench::run::context::Context;
use frbench::run::embed::EMBEDDINGS;
use frbench::run::executors;
use frbench::run::network::MODEL;
use frbench::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

fn script() -> Value {
    let path = std::env::var("FRBENCH_SCRIPT").expect("a script");
    let text = std::fs::read(path).expect("a script");
    serde_json::from_slice(&text).expect("a script is JSON")
}

/// The code of this build, but for one source that all trainings depend on and one that scores do.
pub fn code(device: DeviceKind) -> Code {
    let mut code = frbench::build::code(device);
    let script = script();
    for (part, path) in [
        ("code", "engine/sgd.rs"),
        ("scored", "eval/protocol/mod.rs"),
    ] {
        if !script[part].is_null() {
            let hash = sha256_hex(script[part].to_string().as_bytes());
            assert!(code.sources.insert(path.into(), hash).is_some(), "{path}");
        }
    }
    code
}

/// Executes a job as the script says.
pub fn execute(spec: &JobSpec, cx: &mut Context) -> Result<JobResult> {
    let script = script();
    let label = cx.job.label.clone();
    if let Some(reason) = script["fail"][&label].as_str() {
        return Err(Error::Compute(reason.into()));
    }
    if let Some(reason) = script["lost"][&label].as_str() {
        return Err(Error::Data(reason.into()));
    }
    match spec {
        JobSpec::Train(spec) => {
            let delay = match &script["delay"] {
                Value::Object(of) => &of.get(&label).cloned().unwrap_or_default(),
                all => all,
            };
            let wait = Duration::from_millis(delay.as_u64().unwrap_or(0));
            let until = std::time::Instant::now() + wait;
            while std::time::Instant::now() < until {
                cx.stop.check(&label)?;
                std::thread::sleep(Duration::from_millis(5));
            }
            let (code, bits) = (&script["code"], &script["bits"]);
            let mut network = format!("{} {code} {bits}", row_and_seed(&label));
            if script["unsteady"][row(&label)] == Value::Bool(true) {
                network += &cx.store.runs().display().to_string();
            }
            for name in [CHECKPOINT, RECORD, MODEL] {
                write(cx, name, network.as_bytes())?;
            }
            Ok(JobResult::Train(trained(spec.seed, &network)))
        }
        JobSpec::Embed(spec) => {
            let network = std::fs::read(cx.store.folder(&spec.model).file(MODEL));
            let network = network.map_err(|e| Error::io(MODEL, e))?;
            write(cx, EMBEDDINGS, &network)?;
            Ok(JobResult::Embed(EmbedResult {
                seconds: 0.0,
                rows: 1,
                dim: 1,
                images_per_second: 0.0,
                model: Some(model(&network)),
            }))
        }
        JobSpec::Score(spec) => {
            let embeddings = spec.embeddings.values().next().expect("embeddings");
            let network = std::fs::read(cx.store.folder(embeddings).file(EMBEDDINGS));
            let network = network.map_err(|e| Error::io(EMBEDDINGS, e))?;
            Ok(JobResult::Score(scored(&script, &label, &network)))
        }
        other => executors::execute(other, cx),
    }
}

/// `m` of a label such as `train m seed 3`.
fn row(label: &str) -> &str {
    label.split(' ').nth(1).expect("a row")
}

/// `m seed 3` of a label.
fn row_and_seed(label: &str) -> String {
    let words: Vec<&str> = label.split(' ').collect();
    words[1..4].join(" ")
}

fn write(cx: &Context, name: &str, bytes: &[u8]) -> Result<()> {
    let path = cx.store.folder(&cx.job.key).file(name);
    std::fs::write(&path, bytes).map_err(|e| Error::io(path, e))
}

fn model(network: &[u8]) -> Model {
    Model {
        checkpoint_sha256: sha256_hex(network),
        model_sha256: sha256_hex(network),
    }
}

fn trained(seed: u64, network: &str) -> TrainResult {
    let hash = sha256_hex(network.as_bytes());
    TrainResult {
        steps: seed,
        images: 1,
        seconds: 0.0,
        images_per_second: 0.0,
        parameters: 1,
        macs: 1,
        embedding: 1,
        checkpoint_sha256: hash.clone(),
        model_sha256: hash,
        kernels: "scripted".into(),
        curve: Vec::new(),
        input_wait: None,
        notes: Vec::new(),
        labels: Vec::new(),
        attention: Vec::new(),
        pictures: Vec::new(),
    }
}

fn scored(script: &Value, label: &str, network: &[u8]) -> ScoreResult {
    let mean = script["means"][row(label)].as_f64().unwrap_or(0.8);
    // The same network has the same score, whatever its row is worth now.
    let address = u64::from_str_radix(&sha256_hex(network)[..15], 16).expect("hex");
    let noise = Stream::derive(address, "scripted", &[]).normal();
    let sd = script["sd"].as_f64().unwrap_or(0.01);
    let value = mean + sd * noise + script["scored"].as_f64().unwrap_or(0.0);
    ScoreResult {
        protocol: "verification/insightface".into(),
        model: Some(model(network)),
        metrics: vec![Metric {
            id: "accuracy".into(),
            value,
            higher_is_better: true,
            chance: Some(0.5),
            interval: None,
            folds: Vec::new(),
        }],
        series: BTreeMap::new(),
        notes: Vec::new(),
        evidence: Vec::new(),
    }
}
