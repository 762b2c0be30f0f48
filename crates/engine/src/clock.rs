//! Where a network's time goes: seconds per operation, for benchmarks.

use super::fusion::Step;
use super::graph::Layer;
use super::network::Network;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls and time of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub calls: u64,
    pub ms: f64,
}

/// A stopwatch that a network reports its operations to. Clones share the readings.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<BTreeMap<String, Spent>>>);

impl Clock {
    fn add(&self, operation: String, time: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = all.entry(operation).or_default();
        spent.calls += 1;
        spent.ms += time.as_secs_f64() * 1e3;
    }

    /// Readings by operation, such as `conv 3x3 64>64 @56, forward`; resets the clock.
    pub fn take(&self) -> BTreeMap<String, Spent> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Network {
    /// Times every operation from now on.
    pub fn timed(&mut self) -> Clock {
        let clock = Clock::default();
        self.clock = Some(clock.clone());
        clock
    }

    /// Calls `f` and, if anyone wants to know, reports how long it took.
    pub(super) fn time<R>(&self, step: &Step, pass: &str, f: impl FnOnce() -> R) -> R {
        let Some(clock) = &self.clock else { return f() };
        let start = Instant::now();
        let result = f();
        clock.add(format!("{}, {pass}", self.describe(step)), start.elapsed());
        result
    }

    /// A step in words: layer, channels, side of the output.
    fn describe(&self, step: &Step) -> String {
        let node = &self.graph.nodes()[step.main];
        let [side, _, out] = node.shape;
        let input = |i: usize| self.graph.nodes()[node.inputs[i].0].shape;
        match &node.layer {
            _ if !step.inner.is_empty() => format!("inverted residual >{out} @{side}"),
            Layer::Conv(c) => {
                let k = c.kernel.to_string().replace(' ', "");
                let kind = match c.groups {
                    1 => format!("conv {k}"),
                    _ if c.groups == out => format!("depthwise {k}"),
                    g => format!("conv {k} in {g} groups"),
                };
                let stride = match c.stride {
                    1 => String::new(),
                    s => format!(" stride {s}"),
                };
                format!("{kind}{stride} {}>{out} @{side}", input(0)[2])
            }
            Layer::BatchNorm(_) => {
                let act = if step.act.is_some() {
                    " + activation"
                } else {
                    ""
                };
                let add = if step.residual.is_some() {
                    " + residual"
                } else {
                    ""
                };
                format!("batch norm{act}{add} {out} @{side}")
            }
            Layer::Linear { .. } => format!("linear >{out}"),
            other => format!("{other:?} {out} @{side}").to_lowercase(),
        }
    }
}
