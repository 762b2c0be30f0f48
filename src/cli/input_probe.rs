//! What `frbench eval` says of preprocessing that does not seem to be that of a network.

use super::context::DataArgs;
use super::output::{note, warn};
use crate::data::set::{self, DataSet};
use crate::engine::Device;
use crate::job::DataFormat;
use crate::run::embedder::Embedder;
use crate::run::{Stop, input_probe};
use crate::suite::evaluation::Candidate;
use crate::{Error, Result, files};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Looks at each model on the first set of pairs, and warns. What was found stays in the folder of
/// the report, and is not looked for again.
pub fn look(
    models: &[Candidate],
    on: &[String],
    data: &DataArgs,
    device: &Device,
    folder: &Path,
) -> Result<()> {
    let known = super::context::catalogue()?;
    let pairs = on.iter().find_map(|name| {
        let spec = known.lookup(name).ok()?;
        (spec.format == DataFormat::Pairs).then_some(spec)
    });
    let Some(spec) = pairs else {
        return Ok(());
    };
    let stop = Stop::on_signals()?;
    let path = folder.join("input-probe.json");
    let mut kept = known_looks(&path);
    let mut opened: Option<DataSet> = None;
    for model in models {
        let mut embedder = Embedder::open(&model.file, model.input.spec(), device)?;
        let of = json!([embedder.sha256, embedder.input, spec.name, spec.identity]);
        let done = kept.get(&model.label).filter(|k| k["of"] == of);
        let warning = match done {
            Some(done) => done["warning"].as_str().map(String::from),
            None => {
                let set = match &opened {
                    Some(set) => set,
                    None => opened.insert(set::open(&spec, &data.root())?),
                };
                note(&format!(
                    "looking how {} likes other orders of colours and scalings, on some pairs of {} \
                     (--no-probe leaves that out)",
                    model.label, spec.name
                ));
                let looked = input_probe::look(&mut embedder, set, &|| stop.check("looking"));
                let found = match looked {
                    // Whatever was scored stands.
                    Err(e @ (Error::Data(_) | Error::Compute(_))) => {
                        warn(&format!("{}: not looked at other ways: {e}", model.label));
                        continue;
                    }
                    found => found?,
                };
                let warning = found.as_ref().and_then(|found| found.warning());
                let others = found.iter().flat_map(|f| &f.others).map(|(input, d, better)| {
                    json!({ "input": input, "d_prime": d, "clearly_better": better })
                });
                let seen = json!({
                    "of": of, "warning": warning, "pairs": found.as_ref().map(|f| f.pairs),
                    "d_prime": found.as_ref().map(|f| f.stated),
                    "others": others.collect::<Vec<_>>(),
                });
                kept.insert(model.label.clone(), seen);
                warning
            }
        };
        if let Some(what) = warning {
            warn(&format!("{}: {}: {what}", model.label, spec.name));
        }
    }
    let text = serde_json::to_string_pretty(&kept)
        .map_err(|e| Error::Bug(format!("a probe is not JSON: {e}")))?;
    files::write_atomic(&path, (text + "\n").as_bytes())
}

/// What was found before, by the label of the model. A file that holds something else is written
/// again.
fn known_looks(path: &Path) -> Map<String, Value> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Map::new();
    };
    serde_json::from_str(&text).unwrap_or_else(|e| {
        note(&format!(
            "{}: not what frbench wrote there ({e}); it is looked again",
            path.display()
        ));
        Map::new()
    })
}
