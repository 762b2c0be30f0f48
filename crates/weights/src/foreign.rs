//! A network in a file, whatever the format.

use crate::container::WeightsFile;
use crate::fit::fit;
use frbench_base::{Error, Result};
use frbench_engine::Network;
use frbench_job::BackboneSpec;
use std::path::Path;

/// A network that was trained elsewhere.
pub struct Foreign {
    /// sha256 of its file.
    pub sha256: String,
    /// The name of the file's format.
    pub format: &'static str,
    pub backbone: BackboneSpec,
    /// The side of its square input, in pixels.
    pub size: usize,
    /// In evaluation, ready to embed.
    pub network: Network,
    /// Things a reader must know: where in the file it was, what is no part of it, what the file
    /// cannot say and was assumed.
    pub notes: Vec<String>,
}

/// The network in the file at `path`.
///
/// # Errors
/// [`Error::Usage`] where there is no such file; [`Error::Data`] for a file that is damaged, of no
/// known format, or of no known network, with how it differs from the nearest.
pub fn read(path: &Path) -> Result<Foreign> {
    let file = WeightsFile::open(path)?;
    let fit = fit(&file)?;
    let network = fit
        .network()
        .map_err(|e| Error::Data(format!("{}: {e}", path.display())))?;
    let mut notes = file.notes.clone();
    if !fit.place.is_empty() {
        notes.push(format!("the network was read from `{}`", fit.place));
    }
    if let Some(names) = fit.names_of {
        notes.push(format!("its tensors have the names of {names}"));
    }
    if !fit.also.is_empty() {
        notes.push(format!(
            "its tensors have the shapes of {}, too; {} was taken",
            fit.also.join(" and of "),
            fit.spec.name
        ));
    }
    let mut aside: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &fit.aside {
        match aside.iter_mut().find(|(what, _)| *what == one.what) {
            Some((_, names)) => names.push(&one.name),
            None => aside.push((&one.what, vec![&one.name])),
        }
    }
    for (what, names) in aside {
        let few = &names[..names.len().min(3)];
        let more = match names.len() - few.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let few = few.join("`, `");
        notes.push(format!("left aside: `{few}`{more}: {what}"));
    }
    let assumed = fit.assumed.iter();
    notes.extend(assumed.map(|a| format!("assumed: {}: {}", a.what, a.taken)));
    Ok(Foreign {
        sha256: file.sha256(),
        format: file.format,
        backbone: fit.spec,
        size: fit.size,
        network,
        notes,
    })
}
