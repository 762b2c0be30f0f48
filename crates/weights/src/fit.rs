//! Which backbone a file's tensors are of.

mod difference;
mod known;

use crate::aliases::{ALIASES, Alias};
use crate::container::WeightsFile;
use crate::names::{Aside, Candidate, candidates, is_a_counter, is_of_a_head};
use crate::tensor::Tensor;
use difference::Difference;
use frbench_base::{Error, Result, Size};
use frbench_engine::{Network, StateDict};
use frbench_job::BackboneSpec;
use frbench_methods::backbone::{self, BACKBONES, BackboneEntry};
use known::{Known, Reading, has};
use std::collections::{BTreeMap, BTreeSet};

/// A network that a file holds.
#[derive(Clone, Debug)]
pub struct Fit {
    pub spec: BackboneSpec,
    /// Of its input, in pixels.
    pub size: Size,
    /// Its parameters and statistics by the backbone's names.
    pub state: StateDict,
    /// The dictionary they were in, by the keys that lead to it; empty for the file's own.
    pub place: String,
    /// What was taken off the beginning of their names.
    pub prefix: String,
    /// Whose names they have, if not those of the backbone.
    pub names_of: Option<&'static str>,
    /// What of the file is no part of the network.
    pub aside: Vec<Aside>,
    /// What the file cannot say, and what is taken.
    pub assumed: Vec<Assumed>,
    /// Other sizes and parameters whose tensors have the same shapes.
    pub also: Vec<String>,
}

/// Something that a file of weights cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    pub what: String,
    pub taken: String,
}

impl Fit {
    /// The network, ready to embed images of `size` pixels.
    ///
    /// # Errors
    /// [`Error::Data`] if the state does not fit, which [`fit`] has made sure of.
    pub fn network(&self) -> Result<Network> {
        let mut network = Network::new(backbone::build(&self.spec, self.size)?);
        network.load_state_dict(&self.state)?;
        Ok(network)
    }
}

/// Finds the network in a file of weights.
///
/// # Errors
/// [`Error::Data`] if it is none of [`BACKBONES`], with how it differs from the nearest, or if a
/// number of it is not finite.
pub fn fit(file: &WeightsFile) -> Result<Fit> {
    let wrong = |what: String| Error::Data(format!("{}: {what}", file.path().display()));
    let mut nearest: Option<(Difference, String)> = None;
    for candidate in candidates(&file.tree) {
        for (entry, alias) in forms() {
            let Some(known) = Known::of(entry) else {
                continue;
            };
            let tensors = Named::new(&candidate, alias);
            let mut difference = tensors.against(&known.state);
            if difference.missing.is_empty() && difference.unexpected.is_empty() {
                let read = known.read(&tensors);
                match read.first() {
                    Some(Reading { spec, size, off }) if off.is_empty() => {
                        let (spec, size) = (spec.clone(), *size);
                        let also = read[1..].iter().filter(|r| r.off.is_empty());
                        let also = also.map(Reading::words).collect();
                        let fit = tensors.load(file, spec, size, also).map_err(wrong)?;
                        return Ok(finish(fit, &candidate, alias, entry));
                    }
                    Some(reading) => difference.misshapen.clone_from(&reading.off),
                    None => {}
                }
            }
            let nearer = |(best, _): &(Difference, String)| difference.len() < best.len();
            if nearest.as_ref().is_none_or(nearer) {
                nearest = Some((difference, place_words(&candidate, entry, alias)));
            }
        }
    }
    let (difference, place) = nearest.ok_or_else(|| wrong("there is no tensor in it".into()))?;
    Err(wrong(match difference.shared {
        0 => format!(
            "no backbone of this build has tensors of such names: {}",
            difference::names(&difference.unexpected)
        ),
        _ => format!(
            "no backbone of this build has these tensors; the nearest is {place}: {}",
            difference.words()
        ),
    }))
}

/// Every backbone, by its own names and by those of others.
fn forms() -> impl Iterator<Item = (&'static BackboneEntry, Option<&'static Alias>)> {
    BACKBONES.iter().flat_map(|entry| {
        let aliases = ALIASES.iter().filter(|a| a.of == entry.info.name);
        std::iter::once((entry, None)).chain(aliases.map(move |a| (entry, Some(a))))
    })
}

fn place_words(candidate: &Candidate, entry: &BackboneEntry, alias: Option<&Alias>) -> String {
    let mut words = format!("`{}`", entry.info.name);
    if let Some(alias) = alias {
        words += &format!(" with the names of {}", alias.source);
    }
    if !candidate.place.is_empty() {
        words += &format!(", against `{}`", candidate.place);
    }
    if !candidate.prefix.is_empty() {
        words += &format!(", without `{}`", candidate.prefix);
    }
    words
}

/// The tensors of a candidate by the names of a backbone.
struct Named<'a> {
    tensors: BTreeMap<String, &'a Tensor>,
    fill: &'static [(&'static str, f32)],
}

impl<'a> Named<'a> {
    fn new(candidate: &Candidate<'a>, alias: Option<&'static Alias>) -> Self {
        let ours = |name: &str| alias.map_or_else(|| name.to_string(), |a| a.ours(name));
        let tensors = candidate.tensors.iter().map(|(n, t)| (ours(n), *t));
        Named {
            tensors: tensors.collect(),
            fill: alias.map_or(&[], |a| a.fill),
        }
    }

    fn filled(&self, name: &str) -> Option<f32> {
        self.fill
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| t.shape())
    }

    /// How the names differ from those of a backbone.
    fn against(&self, state: &BTreeMap<String, Vec<usize>>) -> Difference {
        let missing = state
            .iter()
            .filter(|(name, _)| !self.tensors.contains_key(*name) && self.filled(name).is_none());
        let unexpected = self.tensors.keys().filter(|name| {
            let filled = self.filled(name).is_some();
            let known = state.contains_key(*name) && !filled;
            !known && !is_a_counter(name) && !is_of_a_head(name)
        });
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        Difference {
            shared: state.len() - missing.len(),
            missing,
            unexpected: unexpected.cloned().collect(),
            misshapen: Vec::new(),
        }
    }

    fn misshapen(&self, state: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>, Vec<usize>)> {
        let off = state.iter().filter_map(|(name, want)| {
            let is = self.shape(name)?;
            (!alike(is, want)).then(|| (name.clone(), is.to_vec(), want.clone()))
        });
        off.collect()
    }

    /// The state of a backbone whose names and shapes fit.
    fn load(
        &self,
        file: &WeightsFile,
        spec: BackboneSpec,
        size: Size,
        also: Vec<String>,
    ) -> Result<Fit, String> {
        let graph = backbone::build(&spec, size).map_err(|e| e.to_string())?;
        let mut state = StateDict::new();
        for (name, shape) in graph.state() {
            let values = match (self.tensors.get(&name), self.filled(&name)) {
                (Some(tensor), _) => tensor.values(file.bytes()),
                (None, Some(value)) => vec![value; shape.iter().product()],
                (None, None) => return Err(format!("`{name}` is missing")),
            };
            let broken = values.iter().filter(|v| !v.is_finite()).count();
            if broken > 0 {
                return Err(format!(
                    "tensor `{name}`: {broken} of {} numbers are not finite",
                    values.len()
                ));
            }
            state.insert(name, (shape, values));
        }
        let used: BTreeSet<&String> = state.keys().collect();
        let rest = self.tensors.iter().filter(|(name, _)| !used.contains(name));
        let (counters, heads): (Vec<_>, Vec<_>) = rest.partition(|(name, _)| is_a_counter(name));
        let mut aside: Vec<Aside> = heads
            .iter()
            .map(|(name, tensor)| Aside {
                name: name.to_string(),
                what: format!("a tensor of {:?}", tensor.shape()),
            })
            .collect();
        if !counters.is_empty() {
            aside.push(Aside {
                name: "num_batches_tracked".into(),
                what: format!("{} counters of batches", counters.len()),
            });
        }
        Ok(Fit {
            spec,
            size,
            state,
            place: String::new(),
            prefix: String::new(),
            names_of: None,
            aside,
            assumed: Vec::new(),
            also,
        })
    }
}

/// Whether two shapes are the same but for ones at the end: a linear layer may be stored as a
/// convolution of one pixel.
fn alike(a: &[usize], b: &[usize]) -> bool {
    fn trimmed(mut shape: &[usize]) -> &[usize] {
        while let [rest @ .., 1] = shape {
            shape = rest;
        }
        shape
    }
    trimmed(a) == trimmed(b)
}

/// What the fit owes to where it was found.
fn finish(
    mut fit: Fit,
    candidate: &Candidate,
    alias: Option<&'static Alias>,
    entry: &BackboneEntry,
) -> Fit {
    fit.place.clone_from(&candidate.place);
    fit.prefix.clone_from(&candidate.prefix);
    fit.names_of = alias.map(|a| a.source);
    fit.aside.extend(candidate.aside.iter().cloned());
    let assumed = |what: &str, taken: &str| Assumed {
        what: what.into(),
        taken: taken.into(),
    };
    fit.assumed = vec![
        assumed("the epsilon of batch norms", "1e-5"),
        assumed(
            "whether the network ends by bringing embeddings to unit length",
            "no: the embedding is the output of its last layer",
        ),
        assumed(
            "what its input is (order of colours, mean, deviation)",
            "nothing: it has to be stated",
        ),
    ];
    if has(entry, "dropout") {
        let what = "dropout in training";
        fit.assumed
            .push(assumed(what, "what this backbone has by default"));
    }
    if let Some(alias) = alias.filter(|a| !a.fill.is_empty()) {
        let filled: Vec<String> = alias
            .fill
            .iter()
            .map(|(n, v)| format!("`{n}` {v}"))
            .collect();
        let what = format!("tensors that {} has not", alias.source);
        fit.assumed.push(assumed(&what, &filled.join(", ")));
    }
    fit
}

#[cfg(test)]
mod tests;
