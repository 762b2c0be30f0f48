//! `frbench match`

use super::exit::ExitStatus;
use super::network::How;
use super::output::{print, print_json};
use crate::data::source::{FileSource, ImageSource};
use crate::job::Views;
use crate::run::embedder::cosine;
use crate::{Error, Result};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Debug)]
pub struct MatchArgs {
    /// Two pictures of aligned faces
    #[arg(num_args = 2, required = true, value_names = ["A", "B"])]
    pictures: Vec<PathBuf>,
    /// File of weights, as PATH[@INPUT]
    #[arg(long)]
    model: String,
    #[command(flatten)]
    how: How,
    /// Print the cosine as JSON
    #[arg(long)]
    json: bool,
}

pub fn matches(args: MatchArgs) -> Result<ExitStatus> {
    let paths: Vec<String> = args
        .pictures
        .iter()
        .map(|p| p.display().to_string())
        .collect();
    let source: Arc<dyn ImageSource> = Arc::new(FileSource::new("", paths, None));
    let embedder = args.how.open(&args.model)?;
    let mut rows = Vec::new();
    embedder.embed(&source, (Views::Sum, 0), |some, _| {
        rows.extend_from_slice(some);
        Ok(())
    })?;
    let (a, b) = rows.split_at(rows.len() / 2);
    let cosine = cosine(a, b).map_err(|e| match e {
        Error::Compute(what) => Error::Compute(format!("{}: {what}", args.model)),
        other => other,
    })?;
    if args.json {
        print_json(&json!({ "cosine": cosine }))?;
    } else {
        print(&format!(
            "cosine {cosine:.4}\nThe faces have to be aligned to the model's template. What cosine \
             tells people apart is the model's: `frbench eval` finds it on pairs.\n"
        ))?;
    }
    Ok(ExitStatus::Success)
}
