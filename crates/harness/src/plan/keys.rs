//! The two keys of a job.
//!
//! Data enters both by its identity, not by the job that made it: a generator that changed
//! without changing a pixel retrains nothing. Scores and trainings also depend on what a set says
//! beside its pixels and labels (noise lists, the person on each image), embeddings do not. What
//! else a job builds on enters the cache key by cache key and the comparison key by comparison
//! key.

use super::code::{Codes, Kind};
use frbench_base::key::{Key, canonical, sha256_hex};
use frbench_job::JobSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What dependencies are called inside the keys of the jobs that build on them.
#[derive(Default)]
pub struct Names {
    /// Data jobs by the identity of what they make.
    pub data: BTreeMap<Key, String>,
    /// The same with all that the set says.
    pub described: BTreeMap<Key, String>,
    /// Other jobs by comparison key.
    pub comparison: BTreeMap<Key, String>,
}

/// The keys of a job, and the canonical JSON that its cache key is the sha256 of.
pub struct Keys {
    pub cache: Key,
    pub comparison: Key,
    pub made_of: Arc<str>,
}

pub fn keys(spec: &JobSpec, names: &Names, codes: &Codes) -> Keys {
    let mut plain = serde_json::to_value(spec).unwrap_or(Value::Null);
    if let (JobSpec::Data(_), Value::Object(map)) = (spec, &mut plain) {
        // A pin is what is expected of the data, not what it is made from.
        map.remove("identity");
    }
    let data = match spec {
        JobSpec::Train(_) | JobSpec::Score(_) => &names.described,
        JobSpec::Data(_) | JobSpec::Import(_) | JobSpec::Derive(_) | JobSpec::Embed(_) => {
            &names.data
        }
    };
    rename(&mut plain, data);
    let mut compared = plain.clone();
    rename(&mut compared, &names.comparison);
    let mut cached = json!({ "spec": plain, "code": codes.of(spec) });
    let mut compared = json!({ "spec": compared });
    if Kind::of(spec) != Kind::Data {
        for document in [&mut cached, &mut compared] {
            document["dtype"] = json!(codes.code.dtype);
            document["device"] = json!(codes.code.device);
        }
    }
    let made_of = canonical(&cached);
    Keys {
        cache: Key(sha256_hex(made_of.as_bytes())),
        comparison: Key::of(&compared),
        made_of: made_of.into(),
    }
}

/// Replaces every key that has another name.
fn rename(value: &mut Value, names: &BTreeMap<Key, String>) {
    match value {
        Value::String(text) if text.len() == 64 => {
            if let Some(name) = names.get(&Key(text.clone())) {
                text.clone_from(name);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| rename(v, names)),
        Value::Object(map) => map.values_mut().for_each(|v| rename(v, names)),
        _ => {}
    }
}
