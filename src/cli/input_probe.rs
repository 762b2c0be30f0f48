//! What `frbench eval` says of preprocessing that does not seem to be that of a network.

use super::context::DataArgs;
use super::output::{note, warn};
use frbench::data::set;
use frbench::engine::{Device, DeviceChoice};
use frbench::job::DataFormat;
use frbench::run::embedder::Embedder;
use frbench::run::{Stop, input_probe};
use frbench::suite::evaluation::Candidate;
use frbench::{Error, Result, files};
use serde_json::{Value, json};
use std::path::Path;

/// Looks at each model on the first set of pairs, and warns. What was found stays in the folder of
/// the report, and is not looked for again.
pub fn look(
    models: &[Candidate],
    on: &[String],
    data: &DataArgs,
    device: Option<DeviceChoice>,
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
    let mut kept: Value = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_else(|| json!({}));
    for model in models {
        let (device, _) = Device::open(device.unwrap_or(DeviceChoice::of_build()))?;
        let mut embedder = Embedder::open(&model.file, model.input.spec(), &device)?;
        let of = json!([embedder.sha256, embedder.input, spec.name, spec.identity]);
        let done = kept.get(&model.label).filter(|k| k["of"] == of);
        let warning = match done {
            Some(done) => done["warning"].as_str().map(String::from),
            None => {
                let set = set::open(&spec, &data.root())?;
                note(&format!(
                    "looking how {} likes other orders of colours and scalings, on some pairs of {} \
                     (--no-probe leaves that out)",
                    model.label, spec.name
                ));
                let looked = input_probe::look(&mut embedder, &set, &|| stop.check("looking"));
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
                kept[&model.label] = json!({
                    "of": of, "warning": warning, "pairs": found.as_ref().map(|f| f.pairs),
                    "d_prime": found.as_ref().map(|f| f.stated),
                    "others": others.collect::<Vec<_>>(),
                });
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
