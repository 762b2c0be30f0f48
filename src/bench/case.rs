//! What is timed.

use frbench_base::registry::{self, Params};
use frbench_base::{Error, Result};
use frbench_engine::Graph;
use frbench_job::{BackboneSpec, Precision};
use frbench_methods::backbone::{self, BACKBONES};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;

/// What one iteration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A training step: forward, ArcFace (s = 64, m = 0.5), backward, SGD with momentum 0.9
    /// and weight decay 5e-4 on the network and on the class weights.
    Train,
    /// A batch of images to their embeddings.
    Embed,
}

impl Work {
    /// Operations of one image, in forward passes: backward costs two.
    pub fn passes(self) -> f64 {
        match self {
            Work::Train => 3.0,
            Work::Embed => 1.0,
        }
    }
}

/// A network at work on batches of one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub work: Work,
    pub backbone: BackboneSpec,
    /// Side of the square input, in pixels.
    pub size: usize,
    /// Images per iteration.
    pub batch: usize,
    /// Classes of the training; embedding has none.
    #[serde(default = "classes")]
    pub classes: usize,
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
}

/// Classes of a training where nothing else is said.
fn classes() -> usize {
    1000
}

impl Case {
    /// Checks everything that a user can state and gives the network's graph.
    ///
    /// # Errors
    /// [`Error::Usage`] that says what would be right.
    pub fn check(&self) -> Result<Graph> {
        let (batch, classes) = (self.batch, self.classes);
        let smallest = match self.work {
            // Batch norm has no statistics over one vector.
            Work::Train => 2,
            Work::Embed => 1,
        };
        if batch < smallest {
            return Err(Error::Usage(format!(
                "a batch of {batch} images, want at least {smallest}"
            )));
        }
        if classes < 2 {
            return Err(Error::Usage(format!("{classes} classes, want at least 2")));
        }
        graph(&self.backbone, self.size)
    }
}

/// The graph of a backbone whose name and parameters come from a user.
fn graph(spec: &BackboneSpec, size: usize) -> Result<Graph> {
    let entry = registry::named(BACKBONES, |b| b.info.name, "backbone", &spec.name)?;
    registry::check(&entry.info, &spec.params)?;
    backbone::build(spec, size)
}

/// A network as the command line names it: `NAME[:key=value,...]`. The keys are `size` and
/// the parameters of the backbone.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: String,
    pub size: Option<usize>,
    pub params: Params,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut named = Named {
            name: name.to_string(),
            size: None,
            params: Params::new(),
        };
        for pair in rest.split(',').filter(|p| !p.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(format!("`{pair}` is not of the form key=value"));
            };
            if key == "size" {
                let size = value.parse().ok();
                named.size = Some(size.ok_or_else(|| format!("`{pair}`: want a whole number"))?);
                continue;
            }
            // What is not a number or a truth value is a text.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            if named.params.insert(key.to_string(), value).is_some() {
                return Err(format!("`{key}` is stated twice"));
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case(work: Work, text: &str, batch: usize) -> Case {
        let named: Named = text.parse().unwrap();
        Case {
            work,
            size: named.size.unwrap_or(112),
            backbone: BackboneSpec {
                name: named.name,
                embedding: 64,
                params: named.params,
                conv: Default::default(),
            },
            batch,
            classes: 10,
            precision: Precision::F32,
        }
    }

    #[test]
    fn networks_are_named_with_their_parameters() {
        let named: Named = "mobilefacenet:width=0.5,size=64".parse().unwrap();
        assert_eq!(named.size, Some(64));
        assert_eq!(named.params["width"], json!(0.5));
        for bad in ["x:width", "x:size=big", "x:a=1,a=2"] {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_usage_errors_that_say_what_is_right() {
        let cases = [
            (
                case(Work::Train, "iresnet81", 8),
                "did you mean `iresnet18`?",
            ),
            (
                case(Work::Train, "iresnet18:widht=1", 8),
                "did you mean `width`?",
            ),
            (case(Work::Train, "iresnet18:width=100", 8), "0.05 to 4"),
            (
                case(Work::Train, "iresnet18:size=100", 8),
                "a multiple of 16",
            ),
            (case(Work::Train, "mobilenetv2", 8), "`stem_stride`"),
            (case(Work::Train, "iresnet18", 1), "want at least 2"),
            (case(Work::Embed, "iresnet18", 0), "want at least 1"),
        ];
        for (case, says) in cases {
            let error = case.check().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(
            case(Work::Embed, "iresnet18:width=0.25,size=32", 1)
                .check()
                .is_ok()
        );
    }
}
