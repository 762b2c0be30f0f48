//! Entries whose network comes from a file.

use super::names::Names;
use super::*;
use crate::suite::model_file::ModelFile;
use crate::suite::preprocessing;
use crate::suite::source::{At, Span};
use std::path::Path;

/// The network of an entry, and how images become its input.
pub(super) struct Found {
    pub found: ModelFile,
    pub input: InputSpec,
}

/// The model called `id`, for an entry that states `settings`.
///
/// # Errors
/// A usage error that points at what is wrong: an unknown model, what has no meaning for a network
/// that is not trained, preprocessing that is not stated, a file that is no network.
pub(super) fn model(
    names: &Names,
    entry: &Entry,
    settings: &Settings,
    id: &At<String>,
) -> Result<Found> {
    let source = names.source();
    let models = &names.suite.models;
    let Some(model) = models.iter().find(|m| m.id.value == id.value) else {
        let message = match models.is_empty() {
            true => format!(
                "the suite defines no model `{}`; state it as `[model.{}]`",
                id.value, id.value
            ),
            false => {
                let ids = models.iter().map(|m| m.id.as_str());
                format!("unknown model `{}`; {}", id.value, suggest(id, ids))
            }
        };
        return Err(source.error(&id.span, message));
    };
    if let Some((what, span)) = training(entry, settings) {
        let message = format!(
            "`{}` is read from a file and not trained, so `{what}` has no meaning; state `model` \
             or `{what}`",
            entry.id.value
        );
        return Err(source.error(&span, message));
    }
    let path = Path::new(&source.name)
        .parent()
        .unwrap_or(Path::new(""))
        .join(&model.file.value);
    let (color, mean, std) = preprocessing(source, model)?;
    let found = names
        .known
        .models
        .open(&path)
        .map_err(|e| source.error(&model.file.span, e))?;
    let (mean, std) = found.takes.unwrap_or((mean, std));
    let input = InputSpec {
        size: found.size,
        color,
        mean,
        std,
        degrade: None,
    };
    Ok(Found { found, input })
}

/// What an entry states that has a meaning for a training alone.
fn training(entry: &Entry, settings: &Settings) -> Option<(&'static str, Span)> {
    let named = |n: &Named| n.span.clone();
    let text = |t: &At<String>| t.span.clone();
    let of_matrix = |m: &Vec<(At<String>, _)>| m.first().map(|(key, _)| key.span.clone());
    [
        ("method", settings.method.as_ref().map(named)),
        ("head", settings.head.as_ref().map(named)),
        ("network", settings.network.as_ref().map(text)),
        ("training", settings.training.as_ref().map(text)),
        ("teacher", entry.teacher.as_ref().map(text)),
        ("start", settings.start.as_ref().map(text)),
        ("keep", settings.keep.as_ref().map(|k| k.by.span.clone())),
        ("seeds", settings.seeds.as_ref().map(|s| s.span.clone())),
        ("matrix", settings.matrix.as_ref().and_then(of_matrix)),
    ]
    .into_iter()
    .find_map(|(what, span)| Some((what, span?)))
}

/// Colour order, mean and standard deviation: no file of weights says them.
fn preprocessing(source: &Source, model: &Model) -> Result<(Color, f64, f64)> {
    match (&model.preset, &model.input) {
        (None, Some(input)) => Ok(input.value),
        (Some(name), None) => match preprocessing::find(name) {
            Some(preset) => Ok((preset.color, preset.mean, preset.std)),
            None => Err(source.error(&name.span, format_args!("unknown preset `{}`", name.value))),
        },
        (stated, _) => {
            let what = match stated {
                Some(_) => "both",
                None => "neither",
            };
            Err(source.error(
                &model.id.span,
                format_args!(
                    "model `{}` states {what} of `preset` and `input`; state one: how images become \
                     input is not in the file. Presets: {}",
                    model.id.value,
                    preprocessing::NAMES.join(", ")
                ),
            ))
        }
    }
}
