//! Which sources compute a job.
//!
//! Crates below the methods count as a whole. Backbones, heads, losses, methods and protocols are
//! entries of tables. The source of an entry counts for jobs that name it, and for entries that are
//! built on it. The other sources in the folder of a table count for all. CUDA counts on a GPU
//! alone. What is in no list here counts.

use super::code::Kind;
use frbench_base::registry::{Info, Origin};
use frbench_eval::protocol;
use frbench_job::{JobSpec, TrainSpec};
use frbench_methods::{backbone, distill, head, method};
use std::collections::{BTreeMap, BTreeSet};

/// Those of this crate.
static OWN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// Every source of the library by its path, `CRATE/PATH`, with the hash of what it says.
pub fn all() -> BTreeMap<String, String> {
    let crates = [
        frbench_base::SOURCES,
        frbench_data::SOURCES,
        frbench_engine::SOURCES,
        frbench_eval::SOURCES,
        frbench_job::SOURCES,
        frbench_kernels::SOURCES,
        frbench_methods::SOURCES,
        frbench_pickle::SOURCES,
        frbench_synth::SOURCES,
        frbench_weights::SOURCES,
        OWN,
    ];
    let sources = crates.into_iter().flatten();
    let owned = |(path, hash): &(&str, &str)| (path.to_string(), hash.to_string());
    sources.map(owned).collect()
}

/// Sources that compute no number of any job, as paths or folders.
const NONE: &[&str] = &[
    // Errors, files, and what results are compared with.
    "base/compare.rs",
    "base/error.rs",
    "base/files.rs",
    "base/lib.rs",
    "base/stamp.rs",
    "base/time.rs",
    "data/export",
    "data/list/landmarks.rs",
    "data/overlap",
    "data/stamps.rs",
    // Keys are made of it; another key is another job.
    "base/key.rs",
    // What a job is stands in its key.
    "job/job.rs",
    "job/lib.rs",
    "job/network.rs",
    "job/result.rs",
    // What reports make of results.
    "eval/stats",
    // The refusal of a build without CUDA; a device that is looked for; what is measured.
    "engine/clock.rs",
    "engine/cuda_absent.rs",
    "engine/device/choice.rs",
    "engine/device/measure.rs",
    // Names of losses that cannot be run.
    "methods/distill/declared.rs",
    // What is read off scores, and what is computed outside of any plan.
    "eval/protocol/rates/above.rs",
    "harness/run/embedder.rs",
    "harness/run/given",
    "harness/run/input_probe.rs",
    "harness/run/pair_scores.rs",
    "harness/run/transfer.rs",
    // What makes the specifications, and proofs.
    "harness/lib.rs",
    "harness/parity",
    "harness/plan",
    "harness/suite",
    // What runs jobs, keeps their files and tells of them.
    "harness/run/columns.rs",
    "harness/run/context.rs",
    "harness/run/environment.rs",
    "harness/run/executors.rs",
    "harness/run/explain.rs",
    "harness/run/failures.rs",
    "harness/run/folder.rs",
    "harness/run/mod.rs",
    "harness/run/observer.rs",
    "harness/run/options.rs",
    "harness/run/outlook.rs",
    "harness/run/own.rs",
    "harness/run/precision.rs",
    "harness/run/program.rs",
    "harness/run/scheduler.rs",
    "harness/run/seal.rs",
    "harness/run/stamps.rs",
    "harness/run/stock.rs",
    "harness/run/stop.rs",
    "harness/run/store.rs",
    "harness/run/verify.rs",
    "harness/run/wrong_pairs.rs",
];

/// Sources that compute jobs of some kinds alone, as paths or folders; the first that fits.
const SOME: &[(&str, &[Kind])] = &[
    ("synth", &[Kind::Data]),
    ("data/zoom.rs", &[Kind::Embed]),
    ("weights", &[Kind::Import]),
    (
        "eval/protocol/embeddings",
        &[Kind::Train, Kind::Derive, Kind::Embed, Kind::Score],
    ),
    ("eval", &[Kind::Score]),
    (
        "methods/backbone",
        &[Kind::Train, Kind::Import, Kind::Derive, Kind::Embed],
    ),
    ("methods", &[Kind::Train, Kind::Derive]),
    (
        "engine",
        &[
            Kind::Train,
            Kind::Import,
            Kind::Derive,
            Kind::Embed,
            Kind::Score,
        ],
    ),
    ("harness/run/import.rs", &[Kind::Import]),
    (
        "harness/run/network.rs",
        &[Kind::Train, Kind::Import, Kind::Derive, Kind::Embed],
    ),
    (
        "kernels",
        &[Kind::Train, Kind::Derive, Kind::Embed, Kind::Score],
    ),
    // Defaults that a specification leaves out, and what follows from one.
    ("job/data.rs", &[Kind::Data]),
    ("job/training.rs", &[Kind::Train]),
    ("job/artefact.rs", &[Kind::Train, Kind::Derive]),
    (
        "job/description.rs",
        &[Kind::Data, Kind::Train, Kind::Score],
    ),
    ("harness/run/data.rs", &[Kind::Data]),
    ("harness/run/rendering.rs", &[Kind::Data]),
    ("harness/run/attention.rs", &[Kind::Train]),
    ("harness/run/checkpoint.rs", &[Kind::Train]),
    ("harness/run/contact_sheet.rs", &[Kind::Train]),
    ("harness/run/curve.rs", &[Kind::Train]),
    ("harness/run/teacher.rs", &[Kind::Train, Kind::Derive]),
    (
        "harness/run/train.rs",
        &[Kind::Train, Kind::Derive, Kind::Embed],
    ),
    (
        "harness/run/images.rs",
        &[Kind::Train, Kind::Derive, Kind::Embed],
    ),
    ("harness/run/derive.rs", &[Kind::Derive]),
    ("harness/run/embed.rs", &[Kind::Derive, Kind::Embed]),
    ("harness/run/score.rs", &[Kind::Score]),
    ("harness/train", &[Kind::Train, Kind::Derive, Kind::Embed]),
];

/// Whether `path` is `place`, or in the folder `place`.
fn within(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A table of what can be named: the folder of its entries, and the name and origin of each.
pub struct Table {
    pub folder: &'static str,
    pub entries: Vec<(&'static str, &'static Origin)>,
}

/// Every table whose entries jobs name.
pub fn tables() -> Vec<Table> {
    fn table<E>(
        folder: &'static str,
        entries: &'static [E],
        origins: &'static [Origin],
        info: fn(&E) -> &Info,
    ) -> Table {
        let names = entries.iter().map(|e| info(e).name);
        Table {
            folder,
            entries: names.zip(origins).collect(),
        }
    }
    vec![
        table(
            "methods/backbone",
            backbone::BACKBONES,
            backbone::ORIGINS,
            |e| &e.info,
        ),
        table("methods/head", head::HEADS, head::ORIGINS, |e| &e.info),
        table("methods/distill", distill::DISTILL, distill::ORIGINS, |e| {
            &e.info
        }),
        table("methods/method", method::METHODS, method::ORIGINS, |e| {
            &e.info
        }),
        table(
            "eval/protocol",
            protocol::PROTOCOLS,
            protocol::ORIGINS,
            |e| &e.info,
        ),
    ]
}

/// The modules of entries, as `CRATE/PATH` without an ending.
pub struct Entries {
    tables: Vec<Table>,
    all: BTreeSet<String>,
}

impl Default for Entries {
    fn default() -> Self {
        let tables = tables();
        let modules = tables.iter().flat_map(|table| {
            let module = |(_, o): &(&str, &Origin)| format!("{}/{}", table.folder, o.module);
            table.entries.iter().map(module)
        });
        Entries {
            all: modules.collect(),
            tables,
        }
    }
}

impl Entries {
    /// The module of an entry that `path` is a source of.
    pub fn of(&self, path: &str) -> Option<&str> {
        let module = |m: &&String| within(path.strip_suffix(".rs").unwrap_or(path), m);
        self.all.iter().find(module).map(String::as_str)
    }

    /// The modules of entries that `spec` names, and of all that they are built on.
    pub fn named(&self, spec: &JobSpec) -> BTreeSet<String> {
        let mut modules = BTreeSet::new();
        match spec {
            JobSpec::Train(spec) => self.of_training(spec, &mut modules),
            JobSpec::Import(spec) => {
                self.add("methods/backbone", &spec.backbone.name, &mut modules);
            }
            JobSpec::Score(spec) => self.add("eval/protocol", &spec.protocol.name, &mut modules),
            // What they need names them: their data, and the training of their network.
            JobSpec::Data(_) | JobSpec::Derive(_) | JobSpec::Embed(_) => {}
        }
        modules
    }

    fn of_training(&self, spec: &TrainSpec, modules: &mut BTreeSet<String>) {
        self.add("methods/backbone", &spec.backbone.name, modules);
        self.add("methods/method", &spec.method.name, modules);
        if let Some(head) = &spec.head {
            self.add("methods/head", &head.name, modules);
        }
        // A method whose parameters are losses names those.
        let lists = spec.method.params.values().filter_map(|v| v.as_array());
        for loss in lists.flatten().filter_map(|l| l.get("name")?.as_str()) {
            self.add("methods/distill", loss, modules);
        }
    }

    fn add(&self, folder: &str, name: &str, modules: &mut BTreeSet<String>) {
        let table = self.tables.iter().find(|t| t.folder == folder);
        let mut entries = table.into_iter().flat_map(|t| &t.entries);
        if let Some((_, origin)) = entries.find(|(n, _)| *n == name) {
            self.close(folder, origin, modules);
        }
    }

    fn close(&self, folder: &str, origin: &Origin, modules: &mut BTreeSet<String>) {
        if !modules.insert(format!("{folder}/{}", origin.module)) {
            return;
        }
        let root = folder.split('/').next().unwrap_or_default();
        for on in origin.built_on {
            let on = format!("{root}/{on}");
            for table in &self.tables {
                let is = |o: &Origin| format!("{}/{}", table.folder, o.module) == on;
                for (_, origin) in table.entries.iter().filter(|(_, o)| is(o)) {
                    self.close(table.folder, origin, modules);
                }
            }
        }
    }
}

/// Whether the source counts for a job of this kind that names the entries of `named`.
pub fn counts(
    path: &str,
    kind: Kind,
    gpu: bool,
    entries: &Entries,
    named: &BTreeSet<String>,
) -> bool {
    if NONE.iter().any(|place| within(path, place)) {
        return false;
    }
    let cuda = within(path, "engine/cuda") || path.ends_with(".cu") || path.ends_with(".cuh");
    if cuda && !gpu {
        return false;
    }
    let some = SOME.iter().find(|(place, _)| within(path, place));
    if some.is_some_and(|(_, kinds)| !kinds.contains(&kind)) {
        return false;
    }
    entries.of(path).is_none_or(|module| named.contains(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_there_and_every_entry_has_a_source() {
        let all = all();
        let places = NONE.iter().chain(SOME.iter().map(|(place, _)| place));
        for place in places {
            assert!(all.keys().any(|path| within(path, place)), "{place}");
        }
        let entries = Entries::default();
        for module in &entries.all {
            let source = all.keys().any(|path| entries.of(path) == Some(module));
            assert!(source, "{module}");
        }
        for table in &entries.tables {
            for (name, origin) in &table.entries {
                for on in origin.built_on {
                    let on = format!("methods/{on}");
                    assert!(entries.all.contains(&on), "{name} is built on {on}");
                }
            }
        }
    }
}
