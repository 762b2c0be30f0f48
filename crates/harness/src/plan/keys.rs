//! The two keys of a job.
//!
//! Data enters both by its identity, not by the job that made it: a generator that changed
//! without changing a pixel retrains nothing. Scores and trainings also depend on what a set says
//! beside its pixels and labels (noise lists, the person on each image), embeddings do not. What
//! else a job builds on enters the cache key by cache key and the comparison key by comparison
//! key.

use super::code::{Code, Kind};
use frbench_base::key::Key;
use frbench_job::JobSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

pub fn kind(spec: &JobSpec) -> Kind {
    match spec {
        JobSpec::Data(_) => Kind::Data,
        JobSpec::Train(_) => Kind::Train,
        JobSpec::Derive(_) => Kind::Derive,
        JobSpec::Embed(_) => Kind::Embed,
        JobSpec::Score(_) => Kind::Score,
    }
}

/// Cache key and comparison key.
pub fn keys(spec: &JobSpec, names: &Names, code: &Code) -> (Key, Key) {
    let mut plain = serde_json::to_value(spec).unwrap_or(Value::Null);
    if let (JobSpec::Data(_), Value::Object(map)) = (spec, &mut plain) {
        // A pin is what is expected of the data, not what it is made from.
        map.remove("identity");
    }
    let data = match spec {
        JobSpec::Train(_) | JobSpec::Score(_) => &names.described,
        JobSpec::Data(_) | JobSpec::Derive(_) | JobSpec::Embed(_) => &names.data,
    };
    rename(&mut plain, data);
    let mut compared = plain.clone();
    rename(&mut compared, &names.comparison);
    let kind = kind(spec);
    let mut cached = json!({ "spec": plain, "code": code.kinds.get(&kind) });
    let mut compared = json!({ "spec": compared });
    if kind != Kind::Data {
        for document in [&mut cached, &mut compared] {
            document["dtype"] = json!(code.dtype);
            document["device"] = json!(code.device);
        }
    }
    (Key::of(&cached), Key::of(&compared))
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
