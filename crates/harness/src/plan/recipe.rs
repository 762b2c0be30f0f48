//! How a network is trained, in words, for `frbench show` and the report: what a suite states, with
//! its presets and overrides in place.

use crate::suite::resolve::Trained;
use frbench_base::registry::Params;
use frbench_job::{Decay, Length, Precision, ScheduleSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is minimised, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipe {
    /// Method and head with all that is stated of them: `margin-softmax; arcface m=0.3 s=32`.
    pub loss: String,
    /// Length, batches, rate and optimiser.
    pub training: String,
}

impl Recipe {
    /// Of a training that starts from the network called `start`, if from any.
    pub fn of(row: &Trained, start: Option<&str>) -> Recipe {
        let mut loss = named(&row.method.name, &row.method.params);
        if let Some(head) = &row.head {
            loss += &format!("; {}", named(&head.name, &head.params));
        }
        Recipe {
            loss,
            training: match start {
                Some(start) => format!("from {start}; {}", training(row)),
                None => training(row),
            },
        }
    }
}

fn training(row: &Trained) -> String {
    let mut out = vec![
        batches(row),
        rate(&row.schedule),
        format!("momentum {}", row.optimizer.momentum),
        format!("weight decay {}", row.optimizer.weight_decay),
    ];
    if row.optimizer.nesterov {
        out[2] += " (Nesterov)";
    }
    if row.optimizer.spare_norms {
        out[3] += " (none on batch norms)";
    }
    out.extend(
        row.optimizer
            .clip
            .map(|c| format!("gradient clipped at {c}")),
    );
    if row.keep_last {
        out.push("the last of an epoch smaller".into());
    }
    if row.bn_group != row.batch {
        out.push(format!("batch norm over {}", row.bn_group));
    }
    if row.flip {
        out.push("mirrored at random".into());
    }
    if row.precision != Precision::F32 {
        out.push(format!("in {}", row.precision.name()));
    }
    out.join(", ")
}

/// `12 epochs of 128`.
pub fn batches(row: &Trained) -> String {
    let length = match row.schedule.length {
        Length::Epochs(e) => format!("{e} epochs"),
        Length::Steps(s) => format!("{s} steps"),
    };
    let balanced = row.balanced.map(|b| {
        let seen = if b.unclassified {
            " and unclassified"
        } else {
            ""
        };
        format!(", {} balanced{seen}", b.images)
    });
    format!("{length} of {}{}", row.batch, balanced.unwrap_or_default())
}

fn rate(s: &ScheduleSpec) -> String {
    let unit = match s.length {
        Length::Epochs(_) => "epochs",
        Length::Steps(_) => "steps",
    };
    let decay = match &s.decay {
        Decay::Constant => "constant".to_string(),
        Decay::Cosine => "cosine decay".into(),
        Decay::Polynomial { power } => format!("polynomial decay of power {power}"),
        Decay::Step { milestones, gamma } => {
            let at: Vec<String> = milestones.iter().map(f64::to_string).collect();
            format!("times {gamma} after {} {unit}", at.join(", "))
        }
    };
    match s.warmup > 0.0 {
        true => format!(
            "rate {} after {} {unit} of warm-up, {decay}",
            s.lr, s.warmup
        ),
        false => format!("rate {}, {decay}", s.lr),
    }
}

/// `arcface m=0.3 s=32`.
fn named(name: &str, params: &Params) -> String {
    let params = params.iter().map(|(k, v)| format!(" {k}={}", value(v)));
    params.fold(name.to_string(), |all, one| all + &one)
}

/// A parameter as a reader writes it: a list of losses is `[fcd weight=1, rkd weight=40]`.
fn value(v: &Value) -> String {
    match v {
        Value::String(text) => text.clone(),
        // Whole numbers are stated with and without a point.
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |n| n.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
            let rest: Params = map
                .iter()
                .filter(|(k, _)| *k != "name")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            named(name, &rest)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_written_as_in_a_suite() {
        let losses = json!([{ "name": "a-skd", "lambda": 5.0, "maps": "both" }, { "name": "rkd" }]);
        let params = Params::from([
            ("beta".to_string(), json!(1.0)),
            ("losses".to_string(), losses),
        ]);
        assert_eq!(
            named("distill", &params),
            "distill beta=1 losses=[a-skd lambda=5 maps=both, rkd]"
        );
    }

    #[test]
    fn rates_say_when_they_fall() {
        let mut s = ScheduleSpec {
            length: Length::Epochs(20.0),
            lr: 0.1,
            warmup: 0.0,
            decay: Decay::Step {
                milestones: vec![5.0, 10.0],
                gamma: 0.1,
            },
        };
        assert_eq!(rate(&s), "rate 0.1, times 0.1 after 5, 10 epochs");
        s.warmup = 0.5;
        s.decay = Decay::Polynomial { power: 2.0 };
        assert_eq!(
            rate(&s),
            "rate 0.1 after 0.5 epochs of warm-up, polynomial decay of power 2"
        );
    }
}
