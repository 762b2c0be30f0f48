//! Whole-set passes that need no network: from artefacts and labels to artefacts. Pure.
//!
//! The one pass that does need a network, `embeddings`, is an executor's; these start from
//! what it leaves behind.

use crate::distill::mining::{self, Prototypes};
use crate::head::cleaning;
use candle_core::{Device, Tensor};
use frbench_base::registry::{self, Args, Info, Kind, Param, Params};
use frbench_base::{Error, Result};
use frbench_job::KEPT_IMAGES;
use frbench_job::artefact::{Artefact, DeriveNeed, Matrix};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a derivation is computed from.
pub struct DeriveInputs<'a> {
    pub params: &'a Params,
    /// Earlier artefacts by the name of the need they answer.
    pub from: &'a BTreeMap<String, Artefact>,
    /// Identity of each image of the training set, `[N]`.
    pub labels: &'a [u32],
    pub classes: usize,
}

/// A line of the table of derivations.
pub struct Derivation {
    pub info: Info,
    pub run: fn(&DeriveInputs) -> Result<Artefact>,
}

/// Every derivation from other artefacts.
pub static DERIVATIONS: &[Derivation] = &[PROTOTYPES, NEIGHBORS, RANDOM_NEIGHBORS, KEPT];

/// Runs the derivation of that name. [`Error::Usage`] for an unknown name or for parameters
/// that do not suit the training set (such as a `k` that is not below the number of classes).
pub fn run(
    derivation: &str,
    params: &Params,
    from: &BTreeMap<String, Artefact>,
    labels: &[u32],
    classes: usize,
) -> Result<Artefact> {
    let entry = registry::named(DERIVATIONS, |d| d.info.name, "derivation", derivation)?;
    registry::check(&entry.info, params)?;
    (entry.run)(&DeriveInputs {
        params,
        from,
        labels,
        classes,
    })
}

/// The raw embeddings of the training set by the teacher, `[2N, D]`: row `2i` is image `i`,
/// row `2i + 1` its mirror. The trainer feeds [`Step::teacher`](super::Step::teacher) from them.
pub(super) fn teacher_embeddings() -> DeriveNeed {
    need("teacher-embeddings", "embeddings", &[], &[])
}

pub(super) fn need(
    name: &'static str,
    derivation: &'static str,
    params: &[(&str, Value)],
    from: &'static [&'static str],
) -> DeriveNeed {
    DeriveNeed {
        name,
        derivation,
        params: params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        from,
    }
}

const K: Param = Param {
    name: "k",
    kind: Kind::Int {
        min: 1,
        max: 100_000,
    },
    required: true,
    doc: "other identities per identity, fewer than there are",
};

const PROTOTYPES: Derivation = Derivation {
    info: Info {
        name: "prototypes",
        summary: "mean of an identity's L2-normalised teacher features, `[classes, D]`",
        source: "CoupleFace, ECCV 2022; from `teacher-embeddings`, un-mirrored images only",
        params: &[],
    },
    run: prototypes,
};

const NEIGHBORS: Derivation = Derivation {
    info: Info {
        name: "neighbors",
        summary: "the k most similar other identities by cosine of prototypes, `[classes, k]`",
        source: "CoupleFace, ECCV 2022; from `prototypes`",
        params: &[K],
    },
    run: neighbors,
};

const RANDOM_NEIGHBORS: Derivation = Derivation {
    info: Info {
        name: "random-neighbors",
        summary: "k random other identities, without repetition, `[classes, k]`",
        source: "the ablation of CoupleFace without mining",
        params: &[
            K,
            Param {
                name: "seed",
                kind: Kind::Int {
                    min: 0,
                    max: 1 << 53,
                },
                required: true,
                doc: "seed of the draw",
            },
        ],
    },
    run: random_neighbors,
};

/// The names under which `kept-images` is given the embeddings of the training set, one row
/// per image, and the class weights of the network that made them.
pub const KEPT_FROM: [&str; 2] = ["embeddings", "class-weights"];

const KEPT: Derivation = Derivation {
    info: Info {
        name: KEPT_IMAGES,
        summary: "the images near to the dominant centre of their class, ascending, `[kept, 1]`",
        source: "Deng et al., Sub-center ArcFace, ECCV 2020, section 3.4; from `embeddings` and \
                 `class-weights`, whose rows of a class lie side by side",
        params: &[Param {
            name: "degrees",
            kind: Kind::Float {
                min: 0.0,
                max: 180.0,
            },
            required: true,
            doc: "largest angle to the centre; 75 in the paper",
        }],
    },
    run: kept_images,
};

fn kept_images(inputs: &DeriveInputs) -> Result<Artefact> {
    let degrees = Args::new(KEPT.info.name, inputs.params).f64("degrees")?;
    let [embeddings, weights] = [matrix(inputs, KEPT_FROM[0])?, matrix(inputs, KEPT_FROM[1])?];
    if embeddings.cols != weights.cols || inputs.classes == 0 {
        return Err(Error::Compute(format!(
            "embeddings of {} dimensions and class weights of {} for {} classes",
            embeddings.cols, weights.cols, inputs.classes
        )));
    }
    let tensor = |m: &Matrix<f32>| Tensor::from_slice(&m.data, (m.rows, m.cols), &Device::Cpu);
    let kept = cleaning::kept(
        &tensor(embeddings)?,
        &tensor(weights)?,
        inputs.labels,
        weights.rows / inputs.classes,
        degrees,
    )?;
    Ok(Artefact::U32(Matrix {
        rows: kept.len(),
        cols: 1,
        data: kept,
    }))
}

fn prototypes(inputs: &DeriveInputs) -> Result<Artefact> {
    let embeddings = matrix(inputs, "teacher-embeddings")?;
    if embeddings.rows != 2 * inputs.labels.len() {
        return Err(Error::Compute(format!(
            "teacher-embeddings has {} rows, want two for each of {} images",
            embeddings.rows,
            inputs.labels.len()
        )));
    }
    let mut prototypes = Prototypes::new(inputs.classes, embeddings.cols);
    for (image, &label) in inputs.labels.iter().enumerate() {
        prototypes.add(label, embeddings.row(2 * image))?;
    }
    Ok(Artefact::F32(prototypes.finish()?))
}

fn neighbors(inputs: &DeriveInputs) -> Result<Artefact> {
    let k = Args::new(NEIGHBORS.info.name, inputs.params).usize("k")?;
    let mined = mining::neighbors(matrix(inputs, "prototypes")?, k)?;
    Ok(Artefact::U32(mined.index))
}

fn random_neighbors(inputs: &DeriveInputs) -> Result<Artefact> {
    let args = Args::new(RANDOM_NEIGHBORS.info.name, inputs.params);
    let drawn =
        mining::random_neighbors(inputs.classes, args.usize("k")?, args.usize("seed")? as u64)?;
    Ok(Artefact::U32(drawn))
}

fn matrix<'a>(inputs: &DeriveInputs<'a>, name: &str) -> Result<&'a Matrix<f32>> {
    match inputs.from.get(name) {
        Some(Artefact::F32(m)) => Ok(m),
        _ => Err(Error::Bug(format!(
            "a derivation was not given its `{name}`"
        ))),
    }
}
