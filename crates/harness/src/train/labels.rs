//! What a training makes of right and wrong labels, where it is known which are which: how many
//! images lie nearest to the class of their label and of the person they show, and which labels
//! a head rewrote. It looks on and changes nothing.

use super::batch::Batch;
use candle_core::{D, Tensor};
use frbench_base::{Error, Result};
use frbench_job::result::{Corrections, Fitted, LabelEpoch};
use frbench_methods::head::cosine::cosines;
use serde::{Deserialize, Serialize};

/// An image whose label a head rewrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrected {
    pub image: u32,
    pub label: u32,
    pub corrected: u32,
}

/// Looks at every step of a training.
pub(super) struct Watch {
    /// Class of the person on each image of the set; none for people of no class.
    truth: Vec<Option<u32>>,
    seen: Seen,
}

#[derive(Default, Serialize, Deserialize)]
struct Seen {
    finished: Vec<LabelEpoch>,
    /// The epoch that is running.
    epoch: LabelEpoch,
    /// Of the running epoch.
    corrected: Vec<Corrected>,
}

/// What a watch is told of one step.
pub(super) struct Looked<'a> {
    pub batch: &'a Batch,
    /// As the set has them, `[B]`.
    pub labels: &'a [u32],
    /// As the head had them, if it rewrites labels in this step, `[B]`.
    pub rewritten: Option<&'a [u32]>,
    /// `[B, D]`.
    pub embeddings: &'a Tensor,
    /// `[classes k, D]`, the rows of a class side by side.
    pub weight: &'a Tensor,
    pub rows_per_class: usize,
}

impl Watch {
    pub fn new(truth: Vec<Option<u32>>) -> Self {
        Watch {
            truth,
            seen: Seen::default(),
        }
    }

    pub fn step(&mut self, look: &Looked) -> Result<()> {
        let nearest = cosines(&look.embeddings.detach(), &look.weight.detach())?
            .argmax(D::Minus1)?
            .to_vec1::<u32>()?;
        let nearest: Vec<u32> = nearest
            .iter()
            .map(|row| row / look.rows_per_class.max(1) as u32)
            .collect();
        self.count(look.batch, look.labels, look.rewritten, &nearest);
        Ok(())
    }

    fn count(&mut self, batch: &Batch, labels: &[u32], rewritten: Option<&[u32]>, nearest: &[u32]) {
        if batch.epoch != self.seen.epoch.epoch {
            let fresh = LabelEpoch {
                epoch: batch.epoch,
                ..LabelEpoch::default()
            };
            let last = std::mem::replace(&mut self.seen.epoch, fresh);
            if last.epoch > 0 {
                self.seen.finished.push(last);
            }
            self.seen.corrected.clear();
        }
        let epoch = &mut self.seen.epoch;
        for (i, (&image, &label)) in batch.samples.iter().zip(labels).enumerate() {
            let truth = self.truth[image as usize];
            let kind = match truth {
                Some(class) if class == label => &mut epoch.clean,
                Some(_) => &mut epoch.flipped,
                None => &mut epoch.outliers,
            };
            add(kind, nearest[i], label, truth);
            let Some(rewritten) = rewritten else {
                continue;
            };
            let corrections = epoch.corrections.get_or_insert_default();
            if rewritten[i] != label {
                correct(corrections, rewritten[i], label, truth);
                self.seen.corrected.push(Corrected {
                    image,
                    label,
                    corrected: rewritten[i],
                });
            }
        }
    }

    /// All epochs so far, the running one included.
    pub fn epochs(&self) -> Vec<LabelEpoch> {
        let running = Some(&self.seen.epoch).filter(|e| e.epoch > 0);
        self.seen.finished.iter().chain(running).cloned().collect()
    }

    /// What was corrected in the epoch that is running, or ran last.
    pub fn corrected(&self) -> &[Corrected] {
        &self.seen.corrected
    }

    pub fn save(&self) -> Result<String> {
        serde_json::to_string(&self.seen).map_err(|e| Error::Bug(e.to_string()))
    }

    pub fn restore(&mut self, text: &str) -> Result<()> {
        self.seen =
            serde_json::from_str(text).map_err(|e| Error::Data(format!("checkpoint: {e}")))?;
        Ok(())
    }
}

fn add(to: &mut Fitted, nearest: u32, label: u32, truth: Option<u32>) {
    to.images += 1;
    to.to_label += u64::from(nearest == label);
    to.to_truth += u64::from(Some(nearest) == truth);
}

fn correct(to: &mut Corrections, corrected: u32, label: u32, truth: Option<u32>) {
    match truth {
        Some(class) if class == label => to.clean += 1,
        Some(class) => {
            to.flipped += 1;
            to.to_truth += u64::from(class == corrected);
        }
        None => to.outliers += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u64, samples: &[u32]) -> Batch {
        Batch {
            step: 0,
            epoch,
            samples: samples.to_vec(),
            flips: vec![false; samples.len()],
        }
    }

    /// Image 0 is right, 1 and 2 are of classes 1 and 2 and labelled 0, 3 is of nobody.
    fn watch() -> Watch {
        Watch::new(vec![Some(0), Some(1), Some(2), None])
    }

    const LABELS: [u32; 4] = [0, 0, 0, 0];

    #[test]
    fn images_are_counted_by_what_is_wrong_with_them() {
        let mut w = watch();
        // Only image 0 is where its label is; 1 is at its truth, 2 and 3 elsewhere.
        w.count(&batch(1, &[0, 1, 2, 3]), &LABELS, None, &[0, 1, 3, 3]);
        let [epoch] = &w.epochs()[..] else { panic!() };
        let fitted = |images, to_label, to_truth| Fitted {
            images,
            to_label,
            to_truth,
        };
        assert_eq!(epoch.clean, fitted(1, 1, 1));
        assert_eq!(epoch.flipped, fitted(2, 0, 1));
        assert_eq!(epoch.outliers, fitted(1, 0, 0));
        assert_eq!(epoch.corrections, None, "nobody corrects");
    }

    #[test]
    fn corrections_are_right_where_they_land_on_the_truth() {
        let mut w = watch();
        let rewritten = [3, 1, 1, 2];
        w.count(&batch(1, &[0, 1, 2, 3]), &LABELS, Some(&rewritten), &LABELS);
        let want = Corrections {
            clean: 1,
            flipped: 2,
            outliers: 1,
            to_truth: 1,
        };
        assert_eq!(w.epochs()[0].corrections, Some(want));
        assert_eq!(w.corrected().len(), 4);
        // A head that could correct and does not has corrected nothing.
        w.count(&batch(2, &[0]), &LABELS[..1], Some(&LABELS[..1]), &[0]);
        assert_eq!(w.epochs().len(), 2);
        assert_eq!(w.epochs()[1].corrections, Some(Corrections::default()));
        assert_eq!(w.corrected(), []);
    }

    #[test]
    fn a_resumed_watch_goes_on_where_it_stopped() {
        let mut straight = watch();
        let mut first = watch();
        for w in [&mut straight, &mut first] {
            w.count(&batch(1, &[0, 1]), &LABELS[..2], Some(&[0, 2]), &[0, 0]);
        }
        let mut second = watch();
        second.restore(&first.save().unwrap()).unwrap();
        for w in [&mut straight, &mut second] {
            w.count(&batch(1, &[2]), &LABELS[..1], Some(&[2]), &[2]);
        }
        assert_eq!(straight.epochs(), second.epochs());
        assert_eq!(straight.corrected(), second.corrected());
        assert!(second.restore("{").is_err());
    }

    #[test]
    fn the_rows_of_a_class_count_for_the_class() {
        use candle_core::Device;
        let device = Device::Cpu;
        let embeddings = Tensor::new(&[[1.0f32, 0.1], [-1.0, 2.0]], &device).unwrap();
        // Two classes of two rows: the second row of class 1 points up.
        let rows = [[1.0f32, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 5.0]];
        let weight = Tensor::new(&rows, &device).unwrap();
        let mut w = Watch::new(vec![Some(0), Some(1)]);
        w.step(&Looked {
            batch: &batch(1, &[0, 1]),
            labels: &[0, 0],
            rewritten: None,
            embeddings: &embeddings,
            weight: &weight,
            rows_per_class: 2,
        })
        .unwrap();
        assert_eq!(w.epochs()[0].clean.to_label, 1);
        assert_eq!(w.epochs()[0].flipped.to_truth, 1);
    }
}
