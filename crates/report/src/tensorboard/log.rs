//! The log of a training, `events.jsonl`, as curves.

use serde_json::Value;
use std::collections::BTreeMap;

/// What a log tells of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Log {
    /// When it begins, in seconds since 1970; 0 of an empty one.
    pub time: f64,
    /// In their order, each once.
    pub steps: Vec<Point>,
    /// Lines that are no events.
    pub odd: usize,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub time: f64,
    pub step: i64,
    /// By tag; what is no number was not finite.
    pub scalars: Vec<(String, f64)>,
}

impl Log {
    /// Steps that were taken again count as they were taken last.
    pub fn read(bytes: &[u8]) -> Log {
        let mut log = Log::default();
        let mut steps: BTreeMap<i64, Point> = BTreeMap::new();
        let mut first = None;
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let event: Option<Value> = serde_json::from_slice(line).ok();
            let Some(event) = event.filter(|e| e["event"].is_string()) else {
                log.odd += 1;
                continue;
            };
            let time = event["time"].as_f64().unwrap_or(0.0);
            first.get_or_insert(time);
            let step = event["step"].as_i64();
            match (event["event"].as_str(), step) {
                (Some("step"), Some(step)) => {
                    let scalars = scalars(&event);
                    steps.insert(
                        step,
                        Point {
                            time,
                            step,
                            scalars,
                        },
                    );
                }
                // What a kill has cost is taken again from here.
                (Some("resumed" | "restarted"), Some(step)) => {
                    steps.split_off(&step);
                }
                _ => {}
            }
        }
        log.time = first.unwrap_or(0.0);
        log.steps = steps.into_values().collect();
        log
    }
}

/// All that a step is told with, but for its place.
fn scalars(event: &Value) -> Vec<(String, f64)> {
    let fields = event.as_object().into_iter().flatten();
    let own = fields.filter(|(name, _)| !["time", "event", "step"].contains(&name.as_str()));
    let mut out = Vec::new();
    for (name, value) in own {
        match value {
            Value::Object(parts) => {
                let parts = parts.iter();
                out.extend(parts.map(|(part, v)| (format!("{name}/{part}"), number(v))));
            }
            value => out.push((name.clone(), number(value))),
        }
    }
    out
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_were_taken_again_count_once() {
        let log = r#"{"event":"claimed","time":1.0}
{"event":"step","time":2.0,"step":0,"loss":3.5,"parts":{"fcd":0.25},"lr":0.0}
{"event":"step","time":3.0,"step":10,"loss":null}
{"event":"step","time":4.0,"step":20,"loss":1.0}
{"event":"st{"event":"claimed","time":5.0}
{"event":"resumed","time":5.5,"step":10}
{"event":"step","time":6.0,"step":10,"loss":2.0}
{"event":"finish"#;
        let found = Log::read(log.as_bytes());
        assert_eq!((found.time, found.odd), (1.0, 2));
        let steps: Vec<(i64, f64)> = found.steps.iter().map(|p| (p.step, p.time)).collect();
        assert_eq!(steps, [(0, 2.0), (10, 6.0)]);
        let first = &found.steps[0].scalars;
        let want = [("loss", 3.5), ("lr", 0.0), ("parts/fcd", 0.25)];
        assert_eq!(*first, want.map(|(tag, v)| (tag.to_string(), v)));
        let lost = Log::read(b"{\"event\":\"step\",\"step\":1,\"loss\":null}");
        assert!(lost.steps[0].scalars[0].1.is_nan());
    }
}
