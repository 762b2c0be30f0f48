//! What a training is given of its teacher: derived embeddings, and a network or classifier
//! that is run in the step.

use super::checkpoint::CHECKPOINT;
use super::context::Context;
use super::folder::RunFolder;
use crate::train::{FrozenClassifier, FrozenNetwork, Images, Teacher, TeacherRows};
use frbench_base::key::Key;
use frbench_base::{Error, Result, Size};
use frbench_data::source::ImageSource;
use frbench_engine::Network;
use frbench_engine::checkpoint::Checkpoint;
use frbench_eval::protocol::embeddings::Embeddings;
use frbench_job::artefact::Matrix;
use frbench_job::{InputSpec, TrainSpec};
use frbench_methods::method::Needs;
use std::sync::Arc;

/// The teacher's embeddings on disk: row `2 i` is image `i`, row `2 i + 1` its mirror.
pub struct Rows(Embeddings);

impl Rows {
    pub fn open(folder: &RunFolder, images: usize) -> Result<Self> {
        let embeddings = Embeddings::open(folder.file(super::derive::EMBEDDINGS))?;
        if embeddings.rows() != 2 * images {
            return Err(Error::Data(format!(
                "{}: {} rows, but the training set has {images} images (two rows each)",
                folder.file(super::derive::EMBEDDINGS).display(),
                embeddings.rows()
            )));
        }
        Ok(Rows(embeddings))
    }
}

impl TeacherRows for Rows {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn row(&self, index: u32, flipped: bool) -> &[f32] {
        self.0.row(2 * index as usize + usize::from(flipped))
    }
}

/// What a step needs of the teacher beyond its derived embeddings.
pub struct InStep {
    /// With the teacher's own view of the training set.
    network: Option<(Network, InputSpec, Arc<dyn Images>)>,
    classifier: Option<FrozenClassifier>,
}

impl InStep {
    /// Of the finished training job `key`, for a student that sees the set `source` of the data
    /// job `data` at `size` pixels as `images`.
    pub fn open(
        key: &Key,
        needs: &Needs,
        (data, source): (&Key, &Arc<dyn ImageSource>),
        (size, images): (Size, &Arc<dyn Images>),
        cx: &Context,
    ) -> Result<Self> {
        let model = cx.jobs.network(key)?;
        let folder = cx.store.folder(key);
        let mut out = InStep {
            network: None,
            classifier: None,
        };
        if needs.teacher_network() {
            // At the student's size the images are the student's.
            let images = match model.input.size == size {
                true => images.clone(),
                false => cx.images(data, "images", source, model.input.size)?,
            };
            let network = model.load(&folder, cx)?;
            out.network = Some((network, model.input.clone(), images));
        }
        if needs.teacher_classifier() {
            let classifier = load_classifier(cx.jobs.train(key)?, &folder)?;
            out.classifier = Some(match needs.teacher_logits {
                true => classifier,
                false => classifier.without_logits(),
            });
        }
        Ok(out)
    }

    /// As the trainer takes it, without the derived embeddings.
    pub fn teacher(&mut self) -> Teacher<'_> {
        let frozen = self.network.as_ref();
        Teacher {
            rows: None,
            network: frozen.map(|(network, input, images)| FrozenNetwork {
                network,
                input,
                images: images.clone(),
            }),
            classifier: self.classifier.take(),
        }
    }
}
/// The margin head of a finished job with its class weights, as training left them.
fn load_classifier(spec: &TrainSpec, folder: &RunFolder) -> Result<FrozenClassifier> {
    let Some(head) = &spec.head else {
        return Err(Error::Usage(
            "a loss looks at the teacher's classifier, but the teacher was trained without a head; \
             take a teacher that has one"
                .into(),
        ));
    };
    let checkpoint = Checkpoint::load(&folder.file(CHECKPOINT))?;
    let weight = weights_in(&checkpoint)?;
    let wrong = |what: &str| Error::Data(format!("the teacher's checkpoint: {what}"));
    let state = checkpoint.metadata.get("head");
    let state = state.ok_or_else(|| wrong("no state of the head"))?;
    let state = serde_json::from_str(state).map_err(|e| wrong(&e.to_string()))?;
    FrozenClassifier::new(head, [weight.rows, weight.cols], weight.data, state)
}

/// The class weights of a finished job.
pub(super) fn class_weights(folder: &RunFolder) -> Result<Matrix<f32>> {
    weights_in(&Checkpoint::load(&folder.file(CHECKPOINT))?)
}

fn weights_in(checkpoint: &Checkpoint) -> Result<Matrix<f32>> {
    let (shape, weight) = checkpoint.tensor("head.weight")?;
    let &[rows, cols] = shape.as_slice() else {
        return Err(Error::Data(
            "a checkpoint's head.weight is not a matrix".into(),
        ));
    };
    Ok(Matrix {
        rows,
        cols,
        data: weight.clone(),
    })
}
