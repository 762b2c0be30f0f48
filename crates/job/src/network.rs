//! What a network is: its backbone, its input, its head.

use frbench_base::Size;
use frbench_base::registry::Params;
use frbench_engine::settings::ConvMode;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackboneSpec {
    pub name: String,
    /// Embedding size.
    pub embedding: usize,
    /// `width`, `stem_stride`, `dropout`, ... as the backbone documents.
    #[serde(default)]
    pub params: Params,
    #[serde(default, skip_serializing_if = "ConvMode::is_fast")]
    pub conv: ConvMode,
}

/// How images become the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Of the input, in pixels: of aligned 112 x 112 crops, the middle of these proportions is
    /// reduced by area.
    pub size: Size,
    pub color: Color,
    /// `x / 255` is mapped to `(x - mean) / std`.
    pub mean: f64,
    pub std: f64,
    /// What is taken from the image, after mirroring, before the network sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<DegradeSpec>,
}

impl InputSpec {
    /// Whether the inputs of two networks have the same form and units, so that what changes
    /// them can be compared; one may have lost resolution.
    pub fn is_compatible(&self, other: &InputSpec) -> bool {
        let form = |i: &InputSpec| (i.size, i.color, i.mean, i.std);
        form(self) == form(other)
    }
}

/// A loss of resolution: the input is reduced to `side` x `side`, or to that height where it is not
/// square, and enlarged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradeSpec {
    pub kind: DegradeKind,
    /// Pixels, at most the input's height.
    pub side: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DegradeKind {
    /// Both ways by the nearest pixel, then a vertical blur: the code of A-SKD as released.
    #[serde(rename = "nearest+blur")]
    NearestBlur,
    /// Both ways by cubic convolution, reduced with antialiasing.
    #[serde(rename = "bicubic")]
    Bicubic,
}

/// As a suite names it.
impl std::fmt::Display for DegradeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DegradeKind::NearestBlur => "nearest+blur",
            DegradeKind::Bicubic => "bicubic",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    Rgb,
    Bgr,
}

impl Color {
    /// As suites write it.
    pub fn name(self) -> &'static str {
        match self {
            Color::Rgb => "rgb",
            Color::Bgr => "bgr",
        }
    }

    /// The order of this name, if it is one.
    pub fn named(name: &str) -> Option<Color> {
        [Color::Rgb, Color::Bgr]
            .into_iter()
            .find(|c| c.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    pub name: String,
    #[serde(default)]
    pub params: Params,
}
