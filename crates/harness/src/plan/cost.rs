//! Rough cost of jobs in floating-point operations, for `show` and ETA. Never part of a key.

use crate::suite::dataset;
use frbench_base::Size;
use frbench_job::*;

/// Operations to render and encode one face, about 3 ms of one core.
const RENDER: f64 = 3e7;

/// Operations to decode one picture and bring it to the size of a network.
const DECODE: f64 = 3e6;

/// Operations to score one image: intervals draw a set again a thousand times.
const SCORE: f64 = 1e6;

/// A set whose size is not known counts as this many images.
fn usual(format: DataFormat) -> f64 {
    match format {
        DataFormat::Train | DataFormat::Identification => 1e6,
        DataFormat::Templates => 5e5,
        DataFormat::Gallery => 1e5,
        DataFormat::Pairs => 12e3,
    }
}

/// Operations of one forward pass of one image; a network that cannot be built costs nothing,
/// the training job will say why.
pub fn forward(backbone: &BackboneSpec, size: Size) -> f64 {
    frbench_methods::backbone::build(backbone, size).map_or(0.0, |g| 2.0 * g.macs() as f64)
}

/// Images of a data set, as far as is known.
pub fn images(data: &DataSpec) -> f64 {
    dataset::images(data).map_or_else(|| usual(data.format), |n| n as f64)
}

/// Rendering a set, or reading one.
pub fn data(spec: &DataSpec) -> f64 {
    let one = match spec.source {
        DataSource::Synth(_) => RENDER,
        DataSource::Files { .. } | DataSource::Noisy(_) => DECODE,
    };
    images(spec) * one
}

/// Images that a schedule passes through the network.
pub fn seen(schedule: &ScheduleSpec, batch: usize, data: &DataSpec) -> f64 {
    match schedule.length {
        Length::Steps(n) => n as f64 * batch as f64,
        Length::Epochs(e) => e * images(data),
    }
}

/// Forward and backward cost three forward passes. The teacher's features are derived once,
/// before training, and cost nothing here, unless it is run in the step.
pub fn train(seen: f64, student: f64) -> f64 {
    seen * 3.0 * student
}

/// Three more passes of the student, forward and backward, and one backward pass of the teacher.
pub fn input_gradients(seen: f64, student: f64, teacher: f64) -> f64 {
    seen * (9.0 * student + 2.0 * teacher)
}

/// The image, and its mirror where the views contain it.
pub fn embed(images: f64, forward: f64, views: Views) -> f64 {
    let passes = if views == Views::Original { 1.0 } else { 2.0 };
    images * (DECODE + forward * passes)
}

pub fn score(images: f64) -> f64 {
    images * SCORE
}
