//! `frbench eval --embeddings`: scores of embeddings that are there already.

use super::exit::ExitStatus;
use super::output::{note, print, print_json};
use super::text::table;
use crate::engine::{Device, DeviceChoice};
use crate::job::result::{Metric, ScoreResult};
use crate::job::{ProtocolSpec, Views};
use crate::run::given::{Given, Matrix};
use crate::suite::evaluation::RULE;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Embeddings, and what they are of.
#[derive(Args, Debug)]
#[command(next_help_heading = "Scoring embeddings without a network")]
pub struct GivenArgs {
    /// Files of embeddings, each of the same images: .npy, .csv, .safetensors, MegaFace's feature
    /// files or a folder of them. Of a search, those of the probes
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', num_args = 1..,
        conflicts_with_all = ["threshold_from", "name", "preset"])]
    embeddings: Vec<PathBuf>,
    /// Names of the rows, one a line [default: the file's own, or the .txt file beside it]
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    names: Option<PathBuf>,
    /// What a row is of an image [default: `both` of arrays of three dimensions, else `original`]
    #[arg(long, value_enum, requires = "embeddings")]
    views: Option<Kept>,
    /// Pairs of rows, by name or number from 0: a table `first,second,same[,fold]`, or a list of
    /// LFW's, CALFW's or AgeDB-30's form
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    pairs: Option<PathBuf>,
    /// The person of each row, one a line. Alone: rows 2i and 2i+1 are a pair, as packs have them
    #[arg(long, value_name = "FILE", requires = "embeddings")]
    identities: Option<PathBuf>,
    /// Embeddings of nobody's mates, to search the probes among (with --identities)
    #[arg(long, value_name = "FILE", requires = "identities")]
    distractors: Option<PathBuf>,
    /// Embeddings of a gallery to search for the probes (with --identities)
    #[arg(long, value_name = "FILE", requires_all = ["identities", "gallery_identities"])]
    gallery: Option<PathBuf>,
    /// The person of each row of the gallery, one a line
    #[arg(long, value_name = "FILE", requires = "gallery")]
    gallery_identities: Option<PathBuf>,
    /// Template and media of each row: IJB's `image template media`, a line for each
    #[arg(long, value_name = "FILE", requires_all = ["embeddings", "template_pairs"])]
    templates: Option<PathBuf>,
    /// Pairs of templates: IJB's `template template 0|1`
    #[arg(long, value_name = "FILE", requires = "templates")]
    template_pairs: Option<PathBuf>,
    /// The detector's score of each row: IJB's list of landmarks, a line for each
    #[arg(long, value_name = "FILE", requires = "templates")]
    detections: Option<PathBuf>,
}

/// What a row of a file holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kept {
    /// The embedding of the picture
    Original,
    /// The sum of those of the picture and of its mirror image
    Sum,
    /// Both, side by side
    Both,
}

impl GivenArgs {
    pub fn is_given(&self) -> bool {
        !self.embeddings.is_empty()
    }

    fn open(&self, path: &Path) -> Result<Matrix> {
        let views = self.views.map(|views| match views {
            Kept::Original => Views::Original,
            Kept::Sum => Views::Sum,
            Kept::Both => Views::Both,
        });
        Matrix::open(path, views)
    }

    /// One file, with what it is scored on.
    fn given(&self, path: &Path) -> Result<Given> {
        let mut rows = self.open(path)?;
        if let Some(names) = &self.names {
            rows = rows.named(names)?;
        }
        let ways = [&self.pairs, &self.templates, &self.identities];
        match (ways.iter().filter(|w| w.is_some()).count(), ways) {
            (1, [Some(pairs), _, _]) => Given::pairs(rows, pairs),
            (1, [_, Some(members), _]) => {
                let pairs = self.template_pairs.as_deref().unwrap_or(Path::new(""));
                Given::templates(rows, members, pairs, self.detections.as_deref())
            }
            (1, [_, _, Some(ids)]) => {
                let distractors = self.distractors.as_deref().map(|p| self.open(p));
                let distractors = distractors.transpose()?;
                match (&self.gallery, &self.gallery_identities, distractors) {
                    (Some(gallery), Some(of), distractors) => {
                        Given::gallery((rows, ids), (self.open(gallery)?, of), distractors)
                    }
                    (_, _, Some(distractors)) => Given::identification(rows, ids, distractors),
                    _ => Given::packed(rows, ids),
                }
            }
            _ => Err(Error::Usage(
                "say what the embeddings are of: --pairs FILE; --identities FILE, perhaps with \
                 --distractors or --gallery; or --templates FILE with --template-pairs FILE"
                    .into(),
            )),
        }
    }
}

/// The same error, with the file in which it is.
fn in_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Compute(what) => Error::Compute(format!("{}: {what}", path.display())),
        Error::Data(what) => Error::Data(format!("{}: {what}", path.display())),
        other => other,
    }
}

/// How they are scored: pairs by each of the rules that are stated, or by the default.
///
/// # Errors
/// A usage error for rules of what is not pairs.
fn protocols(given: &Given, rules: &[String]) -> Result<Vec<ProtocolSpec>> {
    match (given.is_of_pairs(), rules) {
        (true, []) => Ok(vec![given.protocol(RULE)]),
        (true, rules) => Ok(rules.iter().map(|rule| given.protocol(rule)).collect()),
        (false, []) => Ok(vec![given.protocol("")]),
        (false, rules) => Err(Error::Usage(format!(
            "--rule {}: rules are of pairs, and these are scored by `{}`; leave it out",
            rules.join(","),
            given.protocol("").name
        ))),
    }
}

/// Scores each file, pairs by each rule, and prints what comes of it.
pub fn score(
    args: &GivenArgs,
    rules: &[String],
    device: Option<DeviceChoice>,
    json: bool,
) -> Result<ExitStatus> {
    let (device, why) = Device::open(device.unwrap_or(DeviceChoice::of_build()))?;
    why.iter().for_each(|why| note(why));
    let mut found: Vec<(String, ScoreResult)> = Vec::new();
    for path in &args.embeddings {
        let given = args.given(path)?;
        for said in &given.notes {
            note(said);
        }
        let protocols = protocols(&given, rules)?;
        let originals = given.parts.iter().all(|(_, m)| m.views == Views::Original);
        if args.views.is_none() && originals {
            note(&format!(
                "{}: taken as embeddings of the pictures themselves; --views says it where mirrors \
                 are in them",
                path.display()
            ));
        }
        if rules.iter().any(|rule| rule == "face-evolve") {
            note(
                "face-evolve differs from insightface by the pixels that a network sees, which \
                 embeddings have behind them",
            );
        }
        for protocol in protocols {
            let scored = given.score(&protocol, &device);
            let scored = scored.map_err(|e| in_file(path, e))?;
            found.push((path.display().to_string(), scored.result));
        }
    }
    if json {
        let all = found
            .iter()
            .map(|(path, result)| json!({ "embeddings": path, "result": result }));
        return print_json(&all.collect::<Vec<_>>()).map(|()| ExitStatus::Success);
    }
    let mut rows = vec![
        ["embeddings", "protocol", "metric", "value", "95 % interval"]
            .map(String::from)
            .to_vec(),
    ];
    for (path, result) in &found {
        rows.extend(result.metrics.iter().map(|m| line(path, result, m)));
    }
    print(&table(&rows))?;
    let mut said: Vec<&String> = Vec::new();
    for what in found.iter().flat_map(|(_, r)| &r.notes) {
        if !said.contains(&what) {
            said.push(what);
            print(&format!("  note: {what}\n"))?;
        }
    }
    Ok(ExitStatus::Success)
}

fn line(path: &str, result: &ScoreResult, metric: &Metric) -> Vec<String> {
    let percent = |v: f64| format!("{:.3} %", 100.0 * v);
    let interval = metric
        .interval
        .map(|(low, high)| format!("{} to {}", percent(low), percent(high)));
    vec![
        path.to_string(),
        result.protocol.clone(),
        metric.id.clone(),
        percent(metric.value),
        interval.unwrap_or_default(),
    ]
}
