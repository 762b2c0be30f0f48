//! Executes a training job: feeds the trainer, writes checkpoints and curves, resumes.

use super::folder::RunFolder;
use super::scheduler::Context;
use super::teacher::{InStep, Rows};
use crate::data::set::{self, DataSet};
use crate::key::sha256_hex;
use crate::method;
use crate::nn::Network;
use crate::nn::checkpoint::Checkpoint;
use crate::plan::spec::TrainSpec;
use crate::result::{CurvePoint, TrainResult};
use crate::train::{Teacher, TeacherRows, Trainer};
use crate::{Error, Result, files};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

/// The rolling checkpoint of a running training.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
/// The finished network, under its PyTorch names.
pub const MODEL: &str = "model.safetensors";
/// Points of a training curve.
const CURVE_POINTS: u64 = 120;

/// The name under which a method's teacher embeddings are derived.
pub const TEACHER_EMBEDDINGS: &str = "teacher-embeddings";

pub fn run(spec: &TrainSpec, cx: &mut Context) -> Result<TrainResult> {
    let data_spec = cx.jobs.data(&spec.data)?;
    let DataSet::Train(set) = set::open(data_spec, cx.store.data_root())? else {
        return Err(Error::Usage(format!(
            "`{}` is not a training set",
            data_spec.name
        )));
    };
    let images = cx
        .store
        .images
        .view(&spec.data, "images", &set.source, spec.input.size)?;
    let mut rows = None;
    let mut derived = BTreeMap::new();
    for (name, key) in &spec.derived {
        let folder = cx.store.folder(key);
        if name == TEACHER_EMBEDDINGS {
            rows = Some(Rows::open(&folder, set.labels.len())?);
        } else {
            derived.insert(name.clone(), super::derive::load(&folder)?);
        }
    }
    let needs = (method::find(&spec.method.name)?.needs)(&spec.method, spec.head.as_ref())?;
    let mut in_step = match &spec.teacher {
        Some(key) if needs.teacher_taps || needs.teacher_logits => {
            Some(InStep::open(key, &needs, (&spec.data, &set.source), cx)?)
        }
        _ => None,
    };
    let mut teacher = in_step
        .as_mut()
        .map_or_else(Teacher::default, InStep::teacher);
    teacher.rows = rows.as_ref().map(|r| r as &dyn TeacherRows);
    let mut trainer = Trainer::new(
        spec,
        images.as_ref(),
        &set.labels,
        set.classes as usize,
        teacher,
        &derived,
    )?;
    drive(spec, &mut trainer, cx)
}

fn drive(spec: &TrainSpec, trainer: &mut Trainer, cx: &mut Context) -> Result<TrainResult> {
    let folder = cx.claim.folder().clone();
    let path = folder.file(CHECKPOINT);
    let mut curve = Curve::new(trainer.total_steps());
    let mut seconds_before = 0.0;
    if path.exists() {
        let checkpoint = Checkpoint::load(&path)?;
        refuse_other_kernels(&checkpoint)?;
        trainer.restore(&checkpoint)?;
        seconds_before = checkpoint
            .metadata
            .get("seconds")
            .and_then(|s| s.parse().ok())
            .unwrap_or(0.0);
        curve.restore(&checkpoint)?;
        let step = trainer.step_count();
        cx.claim.event("resumed", json!({ "step": step }))?;
        cx.observer.resumed(cx.job, step, "step");
    }
    let started = Instant::now();
    let mut saved = Instant::now();
    let first = trainer.step_count();
    while trainer.step_count() < trainer.total_steps() {
        let step = trainer.step_count();
        if cx.stop.requested() || saved.elapsed() > cx.options.checkpoint_every {
            save(
                trainer,
                &curve,
                seconds_before + started.elapsed().as_secs_f64(),
                &folder,
            )?;
            cx.claim.event("checkpoint", json!({ "step": step }))?;
            saved = Instant::now();
            cx.stop.check(&format!(
                "{} at step {step} of {}",
                cx.job.label,
                trainer.total_steps()
            ))?;
        }
        let report = trainer.step()?;
        if let Some(point) = curve.add(
            step,
            step as f64 / trainer.steps_per_epoch() as f64,
            &report,
        ) {
            cx.claim.event(
                "step",
                json!({ "step": step, "epoch": report.epoch, "lr": point.lr, "loss": point.loss, "parts": point.parts }),
            )?;
        }
        let rate = (step + 1 - first) as f64 * spec.batch as f64 / started.elapsed().as_secs_f64();
        cx.progress(
            step + 1,
            trainer.total_steps(),
            "steps",
            &format!("loss {:.3}, {rate:.0} images/s", report.loss),
        );
    }
    let seconds = seconds_before + started.elapsed().as_secs_f64();
    // Wall time would make two equal trainings differ: the kept files hold the numbers only.
    let bytes = trainer.save()?.to_bytes();
    let sha256 = sha256_hex(&bytes);
    files::write_atomic(&path, &bytes)?;
    let mut model = Checkpoint::default();
    model.insert_all("", trainer.network().state_dict());
    model.save(&folder.file(MODEL))?;
    let images = trainer.total_steps() * spec.batch as u64;
    Ok(TrainResult {
        steps: trainer.total_steps(),
        images,
        seconds,
        images_per_second: images as f64 / seconds.max(1e-9),
        parameters: trainer.network().parameter_count() as u64,
        macs: trainer.network().macs(),
        embedding: spec.backbone.embedding,
        checkpoint_sha256: sha256,
        curve: curve.points,
    })
}

fn save(trainer: &Trainer, curve: &Curve, seconds: f64, folder: &RunFolder) -> Result<()> {
    let mut checkpoint = trainer.save()?;
    checkpoint
        .metadata
        .insert("seconds".into(), seconds.to_string());
    checkpoint
        .metadata
        .insert("kernels".into(), crate::nn::ops::simd::name().to_string());
    curve.save(&mut checkpoint)?;
    checkpoint.save(&folder.file(CHECKPOINT))
}

/// Another kernel set rounds differently: resuming on it would give a run that neither set
/// reproduces.
fn refuse_other_kernels(checkpoint: &Checkpoint) -> Result<()> {
    let here = crate::nn::ops::simd::name();
    match checkpoint.metadata.get("kernels") {
        Some(there) if there != here => Err(Error::Usage(format!(
            "this training was begun with the `{there}` kernels and this machine runs `{here}`; \
             resume where it was begun, or delete its run folder"
        ))),
        _ => Ok(()),
    }
}

/// The trained network of a finished job, ready to embed.
pub fn load_network(spec: &TrainSpec, folder: &RunFolder) -> Result<Network> {
    let mut network = Network::new(crate::backbone::build(&spec.backbone, spec.input.size)?);
    network.load_state_dict(&Checkpoint::load(&folder.file(MODEL))?.tensors)?;
    Ok(network)
}

/// Averages of the loss over equal stretches of the training.
struct Curve {
    every: u64,
    sum: f64,
    parts: BTreeMap<String, f64>,
    count: u64,
    points: Vec<CurvePoint>,
}

impl Curve {
    fn new(steps: u64) -> Self {
        Curve {
            every: steps.div_ceil(CURVE_POINTS).max(1),
            sum: 0.0,
            parts: BTreeMap::new(),
            count: 0,
            points: Vec::new(),
        }
    }

    fn add(
        &mut self,
        step: u64,
        epoch: f64,
        report: &crate::train::StepReport,
    ) -> Option<&CurvePoint> {
        self.sum += report.loss;
        self.count += 1;
        for (name, value) in &report.parts {
            *self.parts.entry(name.to_string()).or_default() += value;
        }
        if !(step + 1).is_multiple_of(self.every) {
            return None;
        }
        let n = self.count as f64;
        self.points.push(CurvePoint {
            step: step + 1,
            epoch,
            lr: report.lr,
            loss: self.sum / n,
            parts: std::mem::take(&mut self.parts)
                .into_iter()
                .map(|(k, v)| (k, v / n))
                .collect(),
        });
        self.sum = 0.0;
        self.count = 0;
        self.points.last()
    }

    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let text = serde_json::to_string(&json!({
            "sum": self.sum, "parts": self.parts, "count": self.count, "points": self.points,
        }))
        .map_err(|e| Error::Bug(e.to_string()))?;
        checkpoint.metadata.insert("curve".into(), text);
        Ok(())
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(text) = checkpoint.metadata.get("curve") else {
            return Ok(());
        };
        let wrong = |e: serde_json::Error| Error::Data(format!("checkpoint: curve: {e}"));
        #[derive(serde::Deserialize)]
        struct Saved {
            sum: f64,
            parts: BTreeMap<String, f64>,
            count: u64,
            points: Vec<CurvePoint>,
        }
        let saved: Saved = serde_json::from_str(text).map_err(wrong)?;
        (self.sum, self.parts, self.count, self.points) =
            (saved.sum, saved.parts, saved.count, saved.points);
        Ok(())
    }
}
