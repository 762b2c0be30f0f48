//! Executes a training job: feeds the trainer, writes checkpoints and curves, resumes.

use super::attention;
use super::checkpoint::{self, Kept, Record};
use super::contact_sheet;
use super::context::Context;
use super::curve::{Curve, Waits};
use super::network::MODEL;
use super::teacher::{InStep, Rows};
use crate::train::{Teacher, TeacherRows, Trainer};
use frbench_base::files;
use frbench_base::key::{Key, sha256_hex};
use frbench_base::{Error, Result};
use frbench_data::set::TrainSet;
use frbench_engine::checkpoint::Checkpoint;
use frbench_job::artefact::Artefact;
use frbench_job::result::TrainResult;
use frbench_job::{DataSource, JobSpec, KEPT_IMAGES, TrainSpec};
use frbench_methods::method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// The name under which a method's teacher embeddings are derived.
pub const TEACHER_EMBEDDINGS: &str = "teacher-embeddings";

pub fn run(spec: &TrainSpec, cx: &mut Context) -> Result<TrainResult> {
    let data_spec = cx.jobs.data(&spec.data)?;
    let set = super::open::train_set(&spec.data, cx)?;
    let images = cx.images(&spec.data, "images", &set.source, spec.input.size)?;
    let mut rows = None;
    let mut derived = BTreeMap::new();
    for (name, key) in &spec.derived {
        if name == TEACHER_EMBEDDINGS {
            rows = Some(Rows::open(&cx.store.folder(key), set.data.labels.len())?);
        } else {
            derived.insert(name.clone(), super::derive::load(key, cx.store)?);
        }
    }
    let needs = (method::find(&spec.method.name)?.needs)(&spec.method, spec.head.as_ref())?;
    let mut in_step = match &spec.teacher {
        Some(key) if needs.teacher_network() || needs.teacher_classifier() => {
            let data = (&spec.data, &set.source);
            let student = (spec.input.size, &images);
            Some(InStep::open(key, &needs, data, student, cx)?)
        }
        _ => None,
    };
    let mut teacher = in_step
        .as_mut()
        .map_or_else(Teacher::default, InStep::teacher);
    teacher.rows = rows.as_ref().map(|r| r as &dyn TeacherRows);
    let mut trainer = Trainer::new(
        spec,
        images.clone(),
        &set.data.labels,
        set.data.classes as usize,
        teacher,
        &derived,
    )?;
    if let Some(start) = &spec.start {
        let model = Checkpoint::load(&cx.store.folder(start).file(MODEL))?;
        trainer.start_from(&model.tensors)?;
    }
    // Known before where the size of the set is; else it is known now.
    if trainer.total_steps() == 0 {
        return Err(Error::Usage(format!(
            "the training takes no step: `{}` has {} images, which are {} batches of {}, and its \
             length is {:?}",
            data_spec.name,
            set.data.labels.len(),
            set.data.labels.len() / spec.batch.max(1),
            spec.batch,
            spec.schedule.length
        )));
    }
    trainer.move_to(&cx.options.device)?;
    // Labels of the face world are right where nothing else is said; what could be seen of them
    // is how many a head takes for wrong.
    let generated = matches!(data_spec.source, DataSource::Synth(_)) && trainer.rewrites_labels();
    let right = || set.data.labels.iter().map(|l| Some(*l)).collect();
    let truth = set.data.truth().or_else(|| generated.then(right));
    if let Some(truth) = &truth {
        trainer.watch(truth.clone());
    }
    let mut result = drive(spec, &mut trainer, cx)?;
    if let Some(start) = &spec.start {
        let label = cx.jobs.label(start);
        result
            .notes
            .insert(0, format!("it started from the network of `{label}`"));
    }
    if let Some(truth) = &truth {
        result.labels = trainer.label_epochs();
        let folder = cx.lock.folder();
        let picture = contact_sheet::corrections(&set, truth, trainer.corrected(), folder)?;
        result.pictures.extend(picture);
    }
    let (stages, picture) = attention::look(
        trainer.network(),
        images.as_ref(),
        &set.data.labels,
        &spec.input,
        cx.lock.folder(),
    )?;
    result.attention = stages;
    result.pictures.extend(picture);
    if let (Some(Artefact::U32(kept)), Some(key)) =
        (derived.get(KEPT_IMAGES), spec.derived.get(KEPT_IMAGES))
    {
        result
            .notes
            .insert(0, kept_note(&kept.data, &set, key, cx)?);
    }
    Ok(result)
}

/// How many images of the set the training was confined to, and by what; how many of those
/// that were dropped were labelled wrongly, where the set knows.
fn kept_note(kept: &[u32], set: &TrainSet, key: &Key, cx: &Context) -> Result<String> {
    let JobSpec::Derive(derive) = cx.jobs.spec(key)? else {
        return Err(Error::Bug("kept images that nobody derived".into()));
    };
    let images = set.data.labels.len();
    let degrees = derive.params.get("degrees").and_then(Value::as_f64);
    let mut note = format!(
        "trained on {} of {images} images; {} were further than {} degrees from the centre of \
         their class ({})",
        kept.len(),
        images - kept.len(),
        degrees.unwrap_or(180.0),
        derive.model.as_ref().map_or("", |m| cx.jobs.label(m)),
    );
    if let Some(wrong) = set.data.wrong_labels() {
        let left = kept.iter().filter(|i| wrong[**i as usize]).count();
        let all = wrong.iter().filter(|w| **w).count();
        note += &format!(
            ", among them {} of the {all} with a wrong label",
            all - left
        );
    }
    Ok(note)
}

fn drive(spec: &TrainSpec, trainer: &mut Trainer, cx: &mut Context) -> Result<TrainResult> {
    let folder = cx.lock.folder().clone();
    let here = cx.options.device.kernels();
    let mut curve = Curve::new(trainer.total_steps());
    let mut notes = Vec::new();
    let mut seconds_before = 0.0;
    // How it went, if all steps are taken, and the last checkpoint.
    let mut taken = None;
    let kept = match checkpoint::find(cx)? {
        Kept::Nothing => None,
        Kept::Rolling(checkpoint) => {
            curve.restore(&checkpoint)?;
            let seconds = checkpoint.metadata.get("seconds");
            seconds_before = seconds.and_then(|s| s.parse().ok()).unwrap_or(0.0);
            Some(checkpoint)
        }
        Kept::Last(checkpoint, record, file) => {
            taken = Some((record, file));
            Some(checkpoint)
        }
    };
    if let Some(checkpoint) = kept {
        trainer.restore(&checkpoint)?;
        notes = notes_of(&checkpoint)?;
        let step = trainer.step_count();
        let there = match &taken {
            Some((record, _)) => Some(&record.kernels),
            None => checkpoint.metadata.get("kernels"),
        };
        if let Some(there) = there.filter(|there| **there != here) {
            if !cx.options.force_kernels {
                return Err(refusal(there, &here));
            }
            cx.lock.event(
                "kernels-changed",
                json!({ "step": step, "from": there, "to": here }),
            )?;
            notes.push(match &taken {
                Some(_) => format!("trained on the kernels {there}, and finished on {here}"),
                None => format!(
                    "the kernels changed from {there} to {here} at step {step}; neither set alone \
                     reproduces this training"
                ),
            });
        }
        cx.lock.event("resumed", json!({ "step": step }))?;
        cx.observer.resumed(cx.job, step, "step");
    } else if cx.lock.again() {
        // Steps before the first checkpoint are taken again; the log should say so.
        cx.lock.event("restarted", json!({ "step": 0 }))?;
    }
    let started = Instant::now();
    let mut saved = Instant::now();
    let first = trainer.step_count();
    let (mut waits, mut recent) = (Waits::new(), Waits::new());
    while trainer.step_count() < trainer.total_steps() {
        let step = trainer.step_count();
        if cx.stop.requested() || saved.elapsed() > cx.options.checkpoint_every {
            let seconds = seconds_before + started.elapsed().as_secs_f64();
            let checkpoint = rolling(trainer, &curve, (&notes, &here), seconds)?;
            checkpoint::roll(&folder, &cx.job.key, checkpoint)?;
            cx.lock.event("checkpoint", json!({ "step": step }))?;
            saved = Instant::now();
            cx.stop.check(&format!(
                "{} at step {step} of {}",
                cx.job.label,
                trainer.total_steps()
            ))?;
        }
        let report = trainer.step()?;
        waits.add(report.waited);
        recent.add(report.waited);
        if let Some(point) = curve.add(
            step,
            step as f64 / trainer.steps_per_epoch() as f64,
            &report,
        ) {
            cx.lock.event(
                "step",
                json!({ "step": step, "epoch": report.epoch, "lr": point.lr, "loss": point.loss, "parts": point.parts, "input_wait": recent.share() }),
            )?;
            recent = Waits::new();
        }
        let rate = (step + 1 - first) as f64 * spec.batch as f64 / started.elapsed().as_secs_f64();
        cx.progress(
            step + 1,
            trainer.total_steps(),
            "steps",
            &format!("loss {:.3}, {rate:.0} images/s", report.loss),
        );
    }
    let (record, file) = match taken {
        Some((record, file)) => {
            // It may have been told by the result, its own file being gone.
            checkpoint::describe(&folder, &cx.job.key, &record, &file)?;
            (record, file)
        }
        None => {
            // Wall time would make two equal trainings differ: the numbers stand by themselves.
            let mut last = trainer.save()?;
            if !notes.is_empty() {
                last.metadata.insert("notes".into(), text(&notes)?);
            }
            let record = Record {
                seconds: seconds_before + started.elapsed().as_secs_f64(),
                input_wait: waits.share(),
                kernels: here,
                curve: curve.points,
            };
            let file = checkpoint::finish(&folder, &cx.job.key, &last, &record)?;
            (record, file)
        }
    };
    let mut model = Checkpoint::default();
    model.insert_all("", trainer.network().state_dict());
    let model = model.to_bytes();
    files::write_atomic(&folder.file(MODEL), &model)?;
    let images = trainer.total_images();
    Ok(TrainResult {
        steps: trainer.total_steps(),
        images,
        seconds: record.seconds,
        images_per_second: images as f64 / record.seconds.max(1e-9),
        parameters: trainer.network().parameter_count() as u64,
        macs: trainer.network().macs(),
        embedding: spec.backbone.embedding,
        checkpoint_sha256: file.sha256,
        model_sha256: sha256_hex(&model),
        kernels: record.kernels,
        curve: record.curve,
        input_wait: Some(record.input_wait),
        notes,
        labels: Vec::new(),
        attention: Vec::new(),
        pictures: Vec::new(),
    })
}

/// The state of a training on its way, and how it went so far.
fn rolling(
    trainer: &mut Trainer,
    curve: &Curve,
    (notes, kernels): (&[String], &str),
    seconds: f64,
) -> Result<Checkpoint> {
    let mut checkpoint = trainer.save()?;
    let metadata = &mut checkpoint.metadata;
    metadata.insert("seconds".into(), seconds.to_string());
    metadata.insert("kernels".into(), kernels.to_string());
    metadata.insert("notes".into(), text(notes)?);
    curve.save(&mut checkpoint)?;
    Ok(checkpoint)
}

/// Another kernel set rounds differently: resuming on it gives a run that neither set
/// reproduces.
fn refusal(there: &str, here: &str) -> Error {
    Error::Usage(format!(
        "this training was begun with the `{there}` kernels and this machine runs `{here}`; \
         resume where it was begun, delete its run folder, or say --force-kernels to go on all \
         the same"
    ))
}

fn text(notes: &[String]) -> Result<String> {
    serde_json::to_string(notes).map_err(|e| Error::Bug(e.to_string()))
}

/// What earlier processes noted about this training.
fn notes_of(checkpoint: &Checkpoint) -> Result<Vec<String>> {
    let Some(text) = checkpoint.metadata.get("notes") else {
        return Ok(Vec::new());
    };
    serde_json::from_str(text).map_err(|e| Error::Data(format!("checkpoint: notes: {e}")))
}
