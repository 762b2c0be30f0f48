//! The head that an entry describes: the constants of a preset, where it names one, under
//! those that it states. What is resolved are constants, whatever they were called: a job's
//! key does not know the name of a preset.

use super::catalogue::{Catalogue, find, params_over};
use super::check::{self, suggest};
use super::model::Named;
use super::source::Source;
use super::tree::Node;
use frbench_base::Result;
use frbench_base::registry::{Info, Params};
use frbench_job::HeadSpec;
use frbench_methods::head::Preset;

/// The key of a head's table that names a preset.
pub const PRESET: &str = "preset";

/// Checks the head that `named` describes and fills in its preset. Errors point at what is
/// wrong: an unknown head, an unknown preset, a parameter.
pub fn head(source: &Source, named: &Named, known: &Catalogue) -> Result<HeadSpec> {
    let infos = known.head_infos();
    let info = find(source, "head", named, &infos)?;
    let line = known.heads.iter().find(|h| h.info.name == info.name);
    let presets = line.map_or(&[][..], |h| h.presets);
    let mut stated = named.clone();
    let base = match stated.params.iter().position(|(k, _)| k.value == PRESET) {
        Some(at) => constants(source, &stated.params.remove(at).1, info, presets)?,
        None => Params::new(),
    };
    Ok(HeadSpec {
        name: info.name.to_string(),
        params: params_over(source, base, &stated, info)?,
    })
}

fn constants(source: &Source, node: &Node, info: &Info, presets: &[Preset]) -> Result<Params> {
    let name = node
        .as_text()
        .ok_or_else(|| check::wrong(source, node, "`preset`", "a text"))?;
    let found = presets.iter().find(|p| p.name == name);
    found.map(Preset::params).ok_or_else(|| {
        source.error(
            &node.span,
            format_args!(
                "`{}` has no preset `{name}`; {}",
                info.name,
                suggest(name, presets.iter().map(|p| p.name))
            ),
        )
    })
}
