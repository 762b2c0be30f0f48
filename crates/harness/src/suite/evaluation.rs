//! The suite that evaluates networks from files: what `frbench eval` writes and runs.

use super::catalogue::Catalogue;
use super::preprocessing::{self, Preset};
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_job::{Color, DataFormat, InputSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How images become input: as a code base does it, or as stated.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Preset(&'static Preset),
    Stated { color: Color, mean: f64, std: f64 },
}

impl Input {
    /// As networks take it; its size is still to be said.
    pub fn spec(&self) -> InputSpec {
        let (color, mean, std) = match self {
            Input::Preset(p) => (p.color, p.mean, p.std),
            Input::Stated { color, mean, std } => (*color, *mean, *std),
        };
        InputSpec {
            size: 0.into(),
            color,
            mean,
            std,
            degrade: None,
        }
    }
}

impl std::fmt::Display for Input {
    /// As it can be part of a name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Input::Preset(preset) => f.write_str(preset.name),
            Input::Stated { color, mean, std } => write!(f, "{}-{mean}-{std}", color.name()),
        }
    }
}

impl std::str::FromStr for Input {
    type Err = String;

    /// The name of a preset, or `rgb,MEAN,STD` or `bgr,MEAN,STD` for `(x / 255 - MEAN) / STD`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(preset) = preprocessing::find(text) {
            return Ok(Input::Preset(preset));
        }
        let wrong = || format!("want {}", known());
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let &[color, mean, std] = parts.as_slice() else {
            return Err(wrong());
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite());
        match (Color::named(color), number(mean), number(std)) {
            (Some(color), Some(mean), Some(std)) => Ok(Input::Stated { color, mean, std }),
            _ => Err(wrong()),
        }
    }
}

/// What can be said of the way in which images become input.
fn known() -> String {
    format!(
        "one of {}, or rgb,MEAN,STD or bgr,MEAN,STD for (x / 255 - MEAN) / STD",
        preprocessing::NAMES.join(", ")
    )
}

/// A network to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name in tables.
    pub label: String,
    pub file: PathBuf,
    pub input: Input,
}

impl Candidate {
    /// From `[NAME=]PATH[@INPUT]`, an argument of the command line; `input` is that of models
    /// which state none.
    ///
    /// # Errors
    /// A usage error for a path that is no file, and where no input is stated.
    pub fn parse(text: &str, input: Option<&Input>) -> Result<Candidate> {
        let is_file = |path: &str| Path::new(path).is_file();
        let (rest, own) = match text.rsplit_once('@') {
            Some((rest, own)) if !is_file(text) => match own.parse::<Input>() {
                Ok(own) => (rest, Some(own)),
                Err(what) => return Err(Error::Usage(format!("{text}: after `@`: {what}"))),
            },
            _ => (text, None),
        };
        let (label, path) = match rest.split_once('=') {
            Some((name, path)) if !is_file(rest) => (name.to_string(), path),
            _ => {
                let stem = Path::new(rest).file_stem().unwrap_or_default();
                (stem.to_string_lossy().into_owned(), rest)
            }
        };
        if label.trim().is_empty() {
            return Err(Error::Usage(format!(
                "{text}: before `=` stands the model's name, and it is empty"
            )));
        }
        if !is_file(path) {
            return Err(Error::Usage(format!(
                "{path}: there is no such file; a model is a file of weights, as \
                 [NAME=]PATH[@INPUT]"
            )));
        }
        let Some(input) = own.or_else(|| input.cloned()) else {
            return Err(Error::Usage(format!(
                "{path}: how images become input is not in a file of weights; state --input, {}",
                known()
            )));
        };
        Ok(Candidate {
            label,
            file: std::path::absolute(path).map_err(|e| Error::io(path, e))?,
            input,
        })
    }
}

/// The rule that pairs are scored by, unless others are asked for.
pub const RULE: &str = "insightface";

/// Name and settings of the protocol by which pairs are scored under a rule.
fn ten_fold(rule: &str) -> (String, String) {
    let name = match rule {
        RULE => "ten-fold".to_string(),
        rule => format!("ten-fold-{rule}"),
    };
    let kind = format!(
        "{{ name = \"verification\", rule = \"{rule}\", folds = 10, fars = [1e-3, 1e-2, 1e-1] }}"
    );
    (name, kind)
}

/// The protocol that a data set of some other format is scored by.
const PROTOCOLS: &[(DataFormat, &str, &str)] = &[
    (
        DataFormat::Identification,
        "megaface",
        "{ name = \"identification\", ranks = [1, 10], fars = [1e-6, 1e-5, 1e-4, 1e-3] }",
    ),
    (
        DataFormat::Templates,
        "ijb",
        "{ name = \"template-verification\", norm = \"keep\", detector_score = true, \
         far_selection = \"nearest\", fars = [1e-6, 1e-5, 1e-4] }",
    ),
    (
        DataFormat::Gallery,
        "gallery",
        "{ name = \"gallery-identification\", ranks = [1, 5, 10, 20] }",
    ),
];

/// Characters of a name of an evaluation.
const LONGEST: usize = 80;

/// The name of an evaluation that is given none: of models and their inputs, sets, and rules other
/// than the default. Evaluations of other inputs have other names.
pub fn default_name(models: &[Candidate], on: &str, rules: &[String]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (i, model) in models.iter().enumerate() {
        names.push(id(&model.label));
        // Once for models of one input.
        let next = models.get(i + 1);
        if next.is_none_or(|next| next.input != model.input) {
            names.push(model.input.to_string());
        }
    }
    let mut name = format!("{}-on-{on}", names.join("-"));
    if rules != [RULE] {
        name += &format!("-by-{}", rules.join("-"));
    }
    if name.chars().count() <= LONGEST {
        return name.trim_end_matches(['.', ' ']).to_string();
    }
    // What is cut off may be all that tells two evaluations apart.
    let hash = &sha256_hex(name.as_bytes())[..8];
    let kept = name.chars().take(LONGEST - hash.len() - 1);
    format!("{}-{hash}", kept.collect::<String>())
}

/// The one profile of such a suite.
pub const PROFILE: &str = "eval";

/// What models are evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// Data sets.
    pub sets: &'a [String],
    /// Rules that pairs are scored by.
    pub rules: &'a [String],
    /// Tables of published numbers, in which a model has the name that it has here.
    pub published: &'a [String],
}

/// The text of the suite called `name` that evaluates `models`.
///
/// # Errors
/// A usage error for a data set that is unknown or holds nothing to be scored, for two models of one
/// name, and for rules without a set of pairs.
pub fn suite(
    name: &str,
    models: &[Candidate],
    on: Evaluation,
    known: &Catalogue,
) -> Result<String> {
    super::check::plain_name("name of an evaluation", name)
        .map_err(|why| Error::Usage(format!("`{name}`: {why}")))?;
    let Evaluation {
        sets,
        rules,
        published,
    } = on;
    let mut protocols: BTreeMap<String, String> = BTreeMap::new();
    let mut evaluate = String::new();
    let mut pairs = false;
    for set in sets {
        let spec = known.lookup(set).map_err(Error::Usage)?;
        let found: Vec<(String, String)> = match spec.format {
            DataFormat::Pairs => rules.iter().map(|rule| ten_fold(rule)).collect(),
            format => PROTOCOLS
                .iter()
                .filter(|(of, _, _)| *of == format)
                .map(|(_, name, kind)| (name.to_string(), kind.to_string()))
                .collect(),
        };
        if found.is_empty() {
            return Err(Error::Usage(format!(
                "`{set}` is a training set; a model is evaluated on pairs, templates, or probes \
                 and a gallery"
            )));
        }
        pairs |= spec.format == DataFormat::Pairs;
        for (protocol, kind) in found {
            evaluate += &format!("  {{ data = {}, protocol = \"{protocol}\" }},\n", text(set));
            protocols.insert(protocol, kind);
        }
    }
    if !pairs && rules != [RULE] {
        return Err(Error::Usage(format!(
            "{}: rules are of pairs, and none of {} is a set of pairs",
            rules.join(", "),
            sets.join(", ")
        )));
    }
    let ids: Vec<String> = models.iter().map(|m| id(&m.label)).collect();
    if let Some(twice) = (1..ids.len()).find(|&i| ids[..i].contains(&ids[i])) {
        return Err(Error::Usage(format!(
            "two models are called `{}`; tell them apart as NAME=PATH",
            ids[twice]
        )));
    }
    let mut out = format!(
        "schema = 1\nname = {}\ntitle = {}\nanalysis = \"Written by `frbench eval`.\"\n",
        text(name),
        text(&format!(
            "{} on {}",
            labels(models).join(", "),
            sets.join(", ")
        )),
    );
    if !published.is_empty() {
        let names: Vec<String> = published.iter().map(|name| text(name)).collect();
        out += &format!("published = [{}]\n", names.join(", "));
    }
    for (id, model) in ids.iter().zip(models) {
        let input = match &model.input {
            Input::Preset(preset) => format!("preset = \"{}\"", preset.name),
            Input::Stated { color, mean, std } => format!(
                "input = {{ color = \"{}\", mean = {mean:?}, std = {std:?} }}",
                color.name()
            ),
        };
        let file = text(&model.file.to_string_lossy());
        out += &format!("\n[model.{id}]\nfile = {file}\n{input}\n");
    }
    for (id, model) in ids.iter().zip(models) {
        let label = text(&model.label);
        out += &format!("\n[[method]]\nid = \"{id}\"\nlabel = {label}\nmodel = \"{id}\"\n");
    }
    for (protocol, kind) in protocols {
        out += &format!("\n[protocol.{protocol}]\nkind = {kind}\n");
    }
    let entries: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    out += &format!(
        "\n[profile.{PROFILE}]\nsummary = \"Nothing is trained.\"\nentries = [{}]\nevaluate = \
         [\n{evaluate}]\n",
        entries.join(", ")
    );
    Ok(out)
}

fn labels(models: &[Candidate]) -> Vec<&str> {
    models.iter().map(|m| m.label.as_str()).collect()
}

/// A name of an entry: lower-case letters, digits and dashes.
pub fn id(label: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    let id: String = label.chars().map(plain).collect();
    match id.trim_matches('-') {
        "" => String::from("model"),
        id => id.to_string(),
    }
}

/// A text as TOML writes it.
fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_a_preset_or_stated() {
        let preset = preprocessing::find("magface").unwrap();
        assert_eq!("magface".parse(), Ok(Input::Preset(preset)));
        let stated = Input::Stated {
            color: Color::Bgr,
            mean: 0.5,
            std: 0.25,
        };
        assert_eq!("bgr, 0.5,0.25".parse(), Ok(stated));
        for wrong in ["", "rgb", "grb,0.5,0.5", "rgb,half,0.5", "rgb,0.5,nan"] {
            let said = wrong.parse::<Input>().unwrap_err();
            assert!(said.contains("insightface"), "{said}");
        }
    }

    #[test]
    fn evaluations_of_other_inputs_have_other_names() {
        let name = |inputs: &[&str], rules: &[&str]| {
            let models = inputs
                .iter()
                .zip(["A", "B", "C"])
                .map(|(input, label)| Candidate {
                    label: label.into(),
                    file: "x".into(),
                    input: input.parse().unwrap(),
                });
            let rules: Vec<String> = rules.iter().map(|r| r.to_string()).collect();
            default_name(&models.collect::<Vec<_>>(), "lfw", &rules)
        };
        assert_eq!(name(&["magface"], &[RULE]), "a-magface-on-lfw");
        assert_eq!(
            name(&["bgr,0,1", "bgr,0,1", "magface"], &["facex-zoo"]),
            "a-b-bgr-0-1-c-magface-on-lfw-by-facex-zoo"
        );
        let long = |last: &str| {
            let model = |label: &str| Candidate {
                label: label.into(),
                file: "x".into(),
                input: "magface".parse().unwrap(),
            };
            let models = [&"a".repeat(60), &"b".repeat(60), last].map(model);
            default_name(&models, "lfw", &[RULE.to_string()])
        };
        assert_eq!(long("c").len(), LONGEST);
        assert_ne!(long("c"), long("d"));
    }

    #[test]
    fn labels_become_ids() {
        assert_eq!(id("R50 (MS1MV3)"), "r50--ms1mv3");
        assert_eq!(id("__"), "model");
    }
}
