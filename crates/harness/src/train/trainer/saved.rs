//! What of a training is saved, and how it goes on from that.

use super::Trainer;
use frbench_base::{Error, Result};
use frbench_engine::checkpoint::Checkpoint;
use frbench_job::artefact::Matrix;
use std::collections::BTreeMap;

/// Prefixes of the parts of a checkpoint.
const MODEL: &str = "model.";
const OBJECTIVE: &str = "objective.";

impl Trainer<'_> {
    /// Everything a later process needs to go on as if nothing had happened.
    pub fn save(&mut self) -> Result<Checkpoint> {
        self.network.pull(&mut self.sgd)?;
        if let Some(c) = &mut self.classifier {
            c.pull()?;
        }
        let mut c = Checkpoint::default();
        c.metadata.insert("step".into(), self.step.to_string());
        c.insert_all(MODEL, self.network.state_dict());
        let mut put = |name: &str, shape: Vec<usize>, values: &[f32]| {
            c.tensors.insert(name.to_string(), (shape, values.to_vec()));
        };
        put(
            "sgd.velocity",
            vec![self.sgd.velocity().len()],
            self.sgd.velocity(),
        );
        if let Some(classifier) = &self.classifier {
            let shape = vec![classifier.rows, self.spec.backbone.embedding];
            put("head.weight", shape.clone(), &classifier.weight);
            put("head.velocity", shape, classifier.sgd.velocity());
        }
        for (name, m) in self.objective.state() {
            put(&format!("{OBJECTIVE}{name}"), vec![m.rows, m.cols], &m.data);
        }
        if let Some(classifier) = &self.classifier {
            // As text, so that no f64 loses a bit in a tensor of f32.
            let state = serde_json::to_string(&classifier.head.state())
                .map_err(|e| Error::Bug(e.to_string()))?;
            c.metadata.insert("head".into(), state);
        }
        if let Some(watch) = &self.watch {
            c.metadata.insert("labels".into(), watch.save()?);
        }
        Ok(c)
    }

    /// Go on from what [`Trainer::save`] returned.
    ///
    /// # Errors
    /// [`Error::Data`] if the checkpoint is not one of this training.
    pub fn restore(&mut self, c: &Checkpoint) -> Result<()> {
        let wrong =
            |what: &str| Error::Data(format!("the checkpoint does not fit this training: {what}"));
        self.network.load_state_dict(&c.subset(MODEL))?;
        self.sgd.restore(&c.tensor("sgd.velocity")?.1)?;
        self.network.push(&self.sgd)?;
        if let Some(classifier) = &mut self.classifier {
            let weight = &c.tensor("head.weight")?.1;
            if weight.len() != classifier.weight.len() {
                return Err(wrong("head.weight has another size"));
            }
            classifier.weight.copy_from_slice(weight);
            classifier.sgd.restore(&c.tensor("head.velocity")?.1)?;
            if let Some(mut classes) = classifier.grad.device() {
                classes.push(&classifier.weight, classifier.sgd.velocity())?;
            }
            let state = c
                .metadata
                .get("head")
                .ok_or_else(|| wrong("no state of the head"))?;
            let state = serde_json::from_str(state).map_err(|e| wrong(&e.to_string()))?;
            classifier.head.restore(&state)?;
        }
        let mut state = BTreeMap::new();
        for (name, (shape, data)) in c.subset(OBJECTIVE) {
            let [rows, cols] = shape[..] else {
                return Err(wrong(&format!("{OBJECTIVE}{name} is not a matrix")));
            };
            state.insert(name, Matrix { rows, cols, data });
        }
        self.objective.restore(state)?;
        if let (Some(watch), Some(seen)) = (&mut self.watch, c.metadata.get("labels")) {
            watch.restore(seen)?;
        }
        let step = c.metadata.get("step").and_then(|s| s.parse().ok());
        self.step = step.ok_or_else(|| wrong("no step"))?;
        Ok(())
    }
}
