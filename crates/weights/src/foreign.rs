//! A network in a file, whatever the format.

use crate::container::WeightsFile;
use crate::fit::fit;
use crate::onnx::{self, OnnxNetwork};
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result, Size};
use frbench_engine::{Graph, Network, StateDict};
use frbench_job::BackboneSpec;
use frbench_methods::backbone;
use std::path::Path;

/// What stands for the name of a backbone where the graph is the file's own.
pub const ONNX: &str = "onnx";

/// A network that was trained elsewhere.
pub struct Foreign {
    /// sha256 of its file.
    pub sha256: String,
    /// The name of the file's format.
    pub format: &'static str,
    pub backbone: BackboneSpec,
    /// Of its input, in pixels.
    pub size: Size,
    /// Its layers.
    pub graph: Graph,
    /// Its parameters and statistics.
    pub state: StateDict,
    /// `(mean, std)` of `(x / 255 - mean) / std`, where preprocessing stands in the graph, so that
    /// nothing else may be done to images.
    pub takes: Option<(f64, f64)>,
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
    let mut read = match onnx::is_model(path)? {
        true => of_model(path),
        false => of_weights(path),
    }?;
    let vanishing = without_vanishing(&mut read.state);
    if vanishing > 0 {
        read.notes.push(format!(
            "{vanishing} weights are below 2^-64 of the largest of their layer, which no sum in 32 \
             bits shows; they are taken as 0, since products of such numbers are subnormal and slow \
             a CPU down many times"
        ));
    }
    Ok(read)
}

/// Puts 0 in place of weights of convolutions and linear layers that are below 2^-64 of the largest
/// of their tensor, and says how many they were. Weight decay leaves such weights in channels that
/// have died.
fn without_vanishing(state: &mut StateDict) -> usize {
    let mut count = 0;
    for (_, values) in state.values_mut().filter(|(shape, _)| shape.len() > 1) {
        let largest = values.iter().fold(0.0f32, |all, v| all.max(v.abs()));
        let least = largest * 2.0f32.powi(-64);
        for v in values.iter_mut().filter(|v| **v != 0.0 && v.abs() < least) {
            *v = 0.0;
            count += 1;
        }
    }
    count
}

impl Foreign {
    /// The network, ready to embed.
    ///
    /// # Errors
    /// [`Error::Data`] if the state does not fit, which reading has made sure of.
    pub fn network(&self) -> Result<Network> {
        let mut network = Network::new(self.graph.clone());
        network.load_state_dict(&self.state)?;
        Ok(network)
    }
}

fn of_model(path: &Path) -> Result<Foreign> {
    let model = OnnxNetwork::open(path)?;
    let wrong = |what: String| Err(Error::Data(format!("{}: {what}", path.display())));
    let [height, width, channels] = model.graph.input_shape();
    if channels != 3 {
        return wrong(format!(
            "its input is {height} x {width} pixels of {channels} channels; networks take three"
        ));
    }
    let mut notes = model.notes;
    let mut takes = None;
    if let Some(first) = &model.preprocessing {
        // The largest factor tells what it begins from: levels of 0 to 255 come down to a few.
        let largest = first.scale.iter().fold(0.0f32, |all, s| all.max(s.abs()));
        let (said, input) = match largest {
            ..0.2 => ("levels of 0 to 255", (0.0, 1.0 / 255.0)),
            0.2..20.0 => ("levels of 0 to 1", (0.0, 1.0)),
            _ => {
                return wrong(format!(
                    "it multiplies its input by {largest} before anything else"
                ));
            }
        };
        notes.push(format!(
            "preprocessing stands in the graph, which takes {said}; mean and standard deviation \
             that are stated beside it are not applied"
        ));
        takes = Some(input);
    }
    if model.unit_length {
        notes.push("it ends with unit length, which is left to the protocol".into());
    }
    let sha256: Vec<&str> = model.sha256.values().map(String::as_str).collect();
    Ok(Foreign {
        // A model in several files is all of them.
        sha256: match sha256.as_slice() {
            [one] => one.to_string(),
            several => sha256_hex(several.join("\n").as_bytes()),
        },
        format: "ONNX",
        backbone: BackboneSpec {
            name: ONNX.to_string(),
            embedding: model.graph.embedding_size(),
            params: Default::default(),
            conv: Default::default(),
        },
        size: [height, width].into(),
        graph: model.graph,
        state: model.state,
        takes,
        notes,
    })
}

fn of_weights(path: &Path) -> Result<Foreign> {
    let file = WeightsFile::open(path)?;
    let fit = fit(&file)?;
    let graph = backbone::build(&fit.spec, fit.size)
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
        graph,
        state: fit.state,
        takes: None,
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_no_sum_shows_are_taken_as_zero_and_counted() {
        let weight = vec![2.0, -1e-18, 1e-20, -1e-40];
        let slopes = vec![0.25, 1e-40];
        let mut state = StateDict::from([
            ("conv.weight".to_string(), (vec![2, 2, 1, 1], weight)),
            ("prelu.weight".to_string(), (vec![2], slopes.clone())),
        ]);
        assert_eq!(without_vanishing(&mut state), 2);
        assert_eq!(state["conv.weight"].1, [2.0, -1e-18, 0.0, 0.0]);
        assert_eq!(state["prelu.weight"].1, slopes);
    }
}
