//! `frbench list`

use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::text;
use crate::Result;
use crate::distill::{DECLARED, DISTILL};
use crate::embedded;
use crate::head::Preset;
use crate::registry::{Info, Kind, Param};
use crate::suite::{self, Catalogue};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub struct ListArgs {
    /// List one kind of thing, with its parameters
    pub what: Option<What>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    Suites,
    Methods,
    Losses,
    Heads,
    Backbones,
    Protocols,
    Datasets,
    Presets,
}

const ALL: [What; 8] = [
    What::Suites,
    What::Methods,
    What::Losses,
    What::Heads,
    What::Backbones,
    What::Protocols,
    What::Datasets,
    What::Presets,
];

pub fn list(args: ListArgs) -> Result<ExitStatus> {
    let known = super::context::catalogue()?;
    let wanted: Vec<What> = args.what.map_or(ALL.to_vec(), |w| vec![w]);
    if args.json {
        let mut out = serde_json::Map::new();
        for what in wanted {
            out.insert(what.name().to_lowercase(), what.json(&known)?);
        }
        print_json(&out)?;
    } else {
        let detail = args.what.is_some();
        let parts = wanted.iter().map(|w| w.text(&known, detail));
        print(&parts.collect::<Result<Vec<_>>>()?.join("\n"))?;
    }
    Ok(ExitStatus::Success)
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Suites => "Suites",
            What::Methods => "Methods",
            What::Losses => "Losses",
            What::Heads => "Heads",
            What::Backbones => "Backbones",
            What::Protocols => "Protocols",
            What::Datasets => "Datasets",
            What::Presets => "Presets",
        }
    }

    fn infos(self, known: &Catalogue) -> Vec<Info> {
        match self {
            What::Methods => known.method_infos(),
            What::Losses => DISTILL.iter().map(|d| d.info).collect(),
            What::Heads => known.head_infos(),
            What::Backbones => known.backbones.clone(),
            What::Protocols => known.protocol_infos(),
            What::Suites | What::Datasets | What::Presets => Vec::new(),
        }
    }

    /// Name and one line of each.
    fn lines(self, known: &Catalogue) -> Result<Vec<(String, String)>> {
        Ok(match self {
            What::Suites => suites()?.into_iter().map(|s| (s.name, s.line)).collect(),
            What::Datasets => datasets(known),
            What::Presets => presets()?,
            _ => {
                let infos = self.infos(known);
                let line = |i: Info| (i.name.to_string(), i.summary.to_string());
                infos.into_iter().map(line).collect()
            }
        })
    }

    fn text(self, known: &Catalogue, detail: bool) -> Result<String> {
        let mut out = bold(self.name()) + "\n";
        let lines = self.lines(known)?;
        let width = lines.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
        let infos = self.infos(known);
        for (i, (name, line)) in lines.iter().enumerate() {
            out += &format!("  {}  {line}\n", text::padded(name, width));
            if let Some(info) = infos.get(i).filter(|_| detail) {
                out += &parameters(info);
                out += &self
                    .presets(info, known)
                    .iter()
                    .map(preset)
                    .collect::<String>();
            }
        }
        if matches!(self, What::Losses) {
            let names: Vec<&str> = DECLARED.iter().map(|d| d.name).collect();
            out += &format!("  declared, but not computable: {}\n", names.join(", "));
        }
        Ok(out)
    }

    fn json(self, known: &Catalogue) -> Result<Value> {
        Ok(match self {
            What::Suites => suites()?.iter().map(Listed::json).collect(),
            What::Datasets | What::Presets => self
                .lines(known)?
                .iter()
                .map(|(name, line)| json!({ "name": name, "summary": line }))
                .collect(),
            _ => {
                let infos = self.infos(known);
                infos
                    .iter()
                    .map(|info| self.info_json(info, known))
                    .collect()
            }
        })
    }

    /// Constants of implementations by name.
    fn presets(self, info: &Info, known: &Catalogue) -> &'static [Preset] {
        let line = known.heads.iter().find(|h| h.info.name == info.name);
        line.filter(|_| self == What::Heads)
            .map_or(&[], |h| h.presets)
    }

    fn info_json(self, info: &Info, known: &Catalogue) -> Value {
        let params = info.params.iter().map(|p| {
            json!({ "name": p.name, "values": values(p), "required": p.required, "doc": p.doc })
        });
        let mut out = json!({
            "name": info.name,
            "summary": info.summary,
            "source": info.source,
            "params": params.collect::<Vec<_>>(),
        });
        if self == What::Heads {
            let presets = self.presets(info, known).iter();
            let presets = presets
                .map(|p| json!({ "name": p.name, "source": p.source, "params": p.params() }));
            out["presets"] = presets.collect();
        }
        out
    }
}

/// `      preset insightface: m = 0.4, s = 64 (file)`.
fn preset(preset: &Preset) -> String {
    let params = preset.params();
    let stated = params
        .iter()
        .map(|(name, value)| format!("{name} = {value}"));
    let stated = stated.collect::<Vec<_>>().join(", ");
    format!(
        "      preset {}: {stated} ({})\n",
        preset.name, preset.source
    )
}

fn parameters(info: &Info) -> String {
    let mut rows = vec![vec!["parameter".into(), "values".into(), "meaning".into()]];
    for p in info.params {
        let needed = if p.required { "" } else { ", optional" };
        let values = format!("{}{needed}", values(p));
        rows.push(vec![p.name.to_string(), values, p.doc.to_string()]);
    }
    let mut out = format!("      after {}\n", info.source);
    if !info.params.is_empty() {
        for line in text::table(&rows).lines() {
            out += &format!("    {line}\n");
        }
    }
    out
}

fn values(p: &Param) -> String {
    match p.kind {
        Kind::Float { min, max } => format!("{min} to {max}"),
        Kind::Int { min, max } => format!("{min} to {max}, whole"),
        Kind::Bool => "true or false".to_string(),
        Kind::Choice(values) => values.join(" | "),
        Kind::Floats => "list of numbers".to_string(),
        Kind::Text => "text".to_string(),
        Kind::Texts => "list of texts".to_string(),
        Kind::Losses => "list of losses, each { name, weight, its parameters }".to_string(),
    }
}

/// A suite in the list.
struct Listed {
    name: String,
    line: String,
    profiles: Vec<String>,
}

impl Listed {
    fn json(&self) -> Value {
        json!({ "name": self.name, "title": self.line, "profiles": self.profiles })
    }
}

/// The embedded suites.
fn suites() -> Result<Vec<Listed>> {
    let parsed = embedded::SUITES.iter().map(|(name, text)| {
        let suite = suite::parse(embedded::source(format!("suites/{name}.toml"), *text))?;
        Ok(Listed {
            name: suite.name,
            line: suite.title,
            profiles: suite.profiles.into_iter().map(|p| p.id.value).collect(),
        })
    });
    parsed.collect()
}

/// Lists of data sets for `frbench eval --preset`.
fn presets() -> Result<Vec<(String, String)>> {
    let line = |(name, _): &(&str, &str)| {
        let list = embedded::preset(name)?;
        let line = format!("{}: {}", list.summary, list.sets.join(", "));
        Ok((name.to_string(), line))
    };
    embedded::PRESETS.iter().map(line).collect()
}

fn datasets(known: &Catalogue) -> Vec<(String, String)> {
    let mut out = vec![(
        "synth-<twin>[-<size>]-v1".to_string(),
        format!(
            "generated; twins {}; such as synth-train-1000x20-v1, synth-lfw-1200-v1",
            suite::dataset::twins().collect::<Vec<_>>().join(", ")
        ),
    )];
    out.extend(
        known
            .datasets
            .keys()
            .map(|name| (name.clone(), "public; you bring the files".to_string())),
    );
    out
}
