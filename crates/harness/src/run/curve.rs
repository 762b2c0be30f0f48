//! The training curve, and how long was waited for input.

use crate::train::StepReport;
use frbench_base::{Error, Result};
use frbench_engine::checkpoint::Checkpoint;
use frbench_job::result::CurvePoint;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Points of a training curve.
const CURVE_POINTS: u64 = 120;

/// Time spent waiting for input since it was made.
pub(super) struct Waits {
    started: Instant,
    waited: Duration,
}

impl Waits {
    pub fn new() -> Self {
        Waits {
            started: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    pub fn add(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Of all the time that has passed, from 0 to 1.
    pub fn share(&self) -> f64 {
        let passed = self.started.elapsed().as_secs_f64();
        (self.waited.as_secs_f64() / passed.max(1e-9)).min(1.0)
    }
}

/// Averages of the loss over equal stretches of the training.
pub(super) struct Curve {
    every: u64,
    sum: f64,
    parts: BTreeMap<String, f64>,
    count: u64,
    pub points: Vec<CurvePoint>,
}

impl Curve {
    pub fn new(steps: u64) -> Self {
        Curve {
            every: steps.div_ceil(CURVE_POINTS).max(1),
            sum: 0.0,
            parts: BTreeMap::new(),
            count: 0,
            points: Vec::new(),
        }
    }

    pub fn add(&mut self, step: u64, epoch: f64, report: &StepReport) -> Option<&CurvePoint> {
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

    pub fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let text = serde_json::to_string(&json!({
            "sum": self.sum, "parts": self.parts, "count": self.count, "points": self.points,
        }))
        .map_err(|e| Error::Bug(e.to_string()))?;
        checkpoint.metadata.insert("curve".into(), text);
        Ok(())
    }

    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
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
