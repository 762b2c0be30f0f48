//! What a suite may name: the tables of the build, gathered so that tests can bring their own.

use super::check::{self, suggest};
use super::model::Named;
use super::model_file::ModelFiles;
use super::source::{At, Source};
use super::tree::{Node, Value};
use frbench_base::registry::{Info, Kind, Params};
use frbench_base::{Error, Result};
use frbench_data::declarations::{self, Declarations};
use frbench_eval::protocol;
use frbench_job::{DataFormat, DataSpec, HeadSpec, MethodSpec, ProtocolSpec, Views};
use frbench_methods::backbone;
use frbench_methods::distill;
use frbench_methods::head;
use frbench_methods::head::Preset;
use frbench_methods::method;
use frbench_methods::method::Needs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that has a name a suite can use.
#[derive(Clone, Default)]
pub struct Catalogue {
    pub methods: Vec<MethodLine>,
    pub heads: Vec<HeadLine>,
    pub backbones: Vec<Info>,
    pub protocols: Vec<ProtocolLine>,
    /// Public data sets by name. Names of the face world (`synth-...`) are parsed instead.
    pub datasets: BTreeMap<String, DataSpec>,
    /// Pinned identities of generated sets by name.
    pub pins: BTreeMap<String, String>,
    /// Where data sets are, to tell a folder without a declaration from a wrong name.
    pub data_root: Option<PathBuf>,
    /// Files of weights that were read.
    pub models: ModelFiles,
}

/// A method and what it asks of the planner.
#[derive(Clone, Copy)]
pub struct MethodLine {
    pub info: Info,
    pub needs: fn(&MethodSpec, Option<&HeadSpec>) -> Result<Needs>,
}

/// A margin head and the sets of constants it is known with.
#[derive(Clone, Copy)]
pub struct HeadLine {
    pub info: Info,
    pub presets: &'static [Preset],
}

/// A protocol and what it evaluates.
#[derive(Clone, Copy)]
pub struct ProtocolLine {
    pub info: Info,
    /// Parts of a data set that it needs embedded.
    pub parts: &'static [&'static str],
    pub views: Views,
    pub format: DataFormat,
    /// Ids of the metrics it yields with these parameters; an error where they are wrong.
    pub metrics: fn(&ProtocolSpec) -> Result<Vec<String>>,
}

impl Catalogue {
    /// The tables of this build, with the data sets that `embedded` declares, by name and text.
    /// Declarations of data sets and `synth-pins.toml` in `folder` replace the embedded ones of
    /// the same name.
    pub fn with_datasets(embedded: &[(&str, &str)], folder: Option<&Path>) -> Result<Self> {
        Ok(Catalogue {
            methods: method::METHODS
                .iter()
                .map(|m| MethodLine {
                    info: m.info,
                    needs: m.needs,
                })
                .collect(),
            heads: head::HEADS
                .iter()
                .map(|h| HeadLine {
                    info: h.info,
                    presets: h.presets,
                })
                .collect(),
            backbones: backbone::BACKBONES.iter().map(|b| b.info).collect(),
            protocols: protocol::PROTOCOLS
                .iter()
                .map(|p| ProtocolLine {
                    info: p.info,
                    parts: p.parts,
                    views: p.views,
                    format: p.format,
                    metrics: p.metrics,
                })
                .collect(),
            datasets: Declarations::load(embedded, folder)?
                .iter()
                .map(|d| (d.name.clone(), d.spec()))
                .collect(),
            pins: pins(embedded, folder)?,
            data_root: None,
            models: ModelFiles::default(),
        })
    }

    pub fn method_infos(&self) -> Vec<Info> {
        self.methods.iter().map(|m| m.info).collect()
    }

    pub fn head_infos(&self) -> Vec<Info> {
        self.heads.iter().map(|h| h.info).collect()
    }

    pub fn protocol_infos(&self) -> Vec<Info> {
        self.protocols.iter().map(|p| p.info).collect()
    }

    /// The data set called `name`, with its pinned identity if there is one. The error says
    /// what would be right.
    pub fn lookup(&self, name: &str) -> Result<DataSpec, String> {
        let mut spec = if name.starts_with("synth-") {
            super::dataset::synth(name)?
        } else {
            let known = self.datasets.keys().map(String::as_str);
            let found = self.datasets.get(name).cloned();
            found.ok_or_else(|| {
                let root = self.data_root.as_deref();
                let there = root.and_then(|root| declarations::describe_undeclared(name, root));
                let said = there.unwrap_or_else(|| suggest(name, known));
                format!("unknown data set `{name}`; {said}")
            })?
        };
        if spec.identity.is_none() {
            spec.identity = self.pins.get(name).cloned();
        }
        Ok(spec)
    }

    /// [`Catalogue::lookup`] of a name in a suite.
    pub fn dataset(&self, source: &Source, name: &At<String>) -> Result<DataSpec> {
        self.lookup(name).map_err(|e| source.error(&name.span, e))
    }
}

/// `suites/datasets/synth-pins.toml`: the identity of each generated set, by name.
fn pins(embedded: &[(&str, &str)], folder: Option<&Path>) -> Result<BTreeMap<String, String>> {
    const FILE: &str = "synth-pins.toml";
    let path = folder.map(|f| f.join(FILE)).filter(|p| p.is_file());
    let source = match path {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            Source::new(path.display().to_string(), text)
        }
        None => match embedded
            .iter()
            .find(|(name, _)| *name == declarations::PINS)
        {
            Some((_, text)) => Source::new(format!("suites/datasets/{FILE}"), *text),
            None => return Ok(BTreeMap::new()),
        },
    };
    let root = super::tree::parse(&source)?;
    let pairs = root.get("identity").map_or(&[][..], Node::table);
    pairs
        .iter()
        .map(|(name, node)| match node.as_text() {
            Some(hash) if hash.len() == 64 => Ok((name.value.clone(), hash.to_string())),
            _ => Err(source.error(&node.span, "an identity is 64 hex digits")),
        })
        .collect()
}

/// The registered thing called by `named`, of a kind that people call `what`.
pub fn find<'a>(source: &Source, what: &str, named: &Named, known: &'a [Info]) -> Result<&'a Info> {
    let Some(name) = &named.name else {
        return Err(source.error(
            &named.span,
            format_args!("the {what} has no `name`; state which {what} is meant"),
        ));
    };
    known.iter().find(|i| i.name == name.value).ok_or_else(|| {
        source.error(
            &name.span,
            format_args!(
                "unknown {what} `{}`; {}",
                name.value,
                suggest(name, known.iter().map(|i| i.name))
            ),
        )
    })
}

/// Checks parameters against what the registered thing documents and returns them.
pub fn params(source: &Source, named: &Named, info: &Info) -> Result<Params> {
    params_over(source, Params::new(), named, info)
}

/// The same, over parameters that hold where nothing is stated.
pub fn params_over(source: &Source, base: Params, named: &Named, info: &Info) -> Result<Params> {
    let mut out = base;
    for (key, node) in &named.params {
        let Some(param) = info.params.iter().find(|p| p.name == key.value) else {
            return Err(source.error(
                &key.span,
                format_args!(
                    "`{}` has no parameter `{}`; {}",
                    info.name,
                    key.value,
                    suggest(key, info.params.iter().map(|p| p.name))
                ),
            ));
        };
        value(source, param.name, node, param.kind)?;
        out.insert(key.value.clone(), node.json());
    }
    match info
        .params
        .iter()
        .find(|p| p.required && !out.contains_key(p.name))
    {
        Some(p) => Err(source.error(
            &named.span,
            format_args!(
                "`{}` needs the parameter `{}`: {}",
                info.name, p.name, p.doc
            ),
        )),
        None => Ok(out),
    }
}

fn value(source: &Source, name: &str, node: &Node, kind: Kind) -> Result<()> {
    let want = |want: &str| check::wrong(source, node, &format!("`{name}`"), want);
    match kind {
        Kind::Float { min, max } => check::float(source, name, node, min, max),
        Kind::Int { min, max } => check::int(source, name, node, min, max),
        Kind::Bool => node
            .as_bool()
            .map(drop)
            .ok_or_else(|| want("`true` or `false`")),
        Kind::Choice(values) => check::choice(source, name, node, values),
        Kind::Text => node.as_text().map(drop).ok_or_else(|| want("a text")),
        Kind::Floats => match &node.value {
            Value::List(items) if items.iter().all(|i| i.as_f64().is_some()) => Ok(()),
            _ => Err(want("a list of numbers")),
        },
        Kind::Texts => match &node.value {
            Value::List(items) if items.iter().all(|i| i.as_text().is_some()) => Ok(()),
            _ => Err(want("a list of texts")),
        },
        Kind::Losses => match &node.value {
            Value::List(items) if !items.is_empty() => {
                items.iter().try_for_each(|item| loss(source, item))
            }
            _ => Err(want("a list of distillation losses")),
        },
    }
}

/// One of the losses of a method: `{ name = "...", weight = ..., its parameters }`.
fn loss(source: &Source, node: &Node) -> Result<()> {
    let Value::Table(table) = &node.value else {
        let want = "a table of `name`, `weight` and parameters";
        return Err(check::wrong(source, node, "a loss", want));
    };
    let mut named = Named {
        span: node.span.clone(),
        name: None,
        params: Vec::new(),
    };
    for (key, value) in table {
        match (key.as_str(), value.as_text()) {
            ("name", Some(name)) => named.name = Some(At::new(name.into(), value.span.clone())),
            ("weight", _) => check::float(source, "weight", value, 0.0, 1e6)?,
            _ => named.params.push((key.clone(), value.clone())),
        }
    }
    // One without a definition is known by name alone; its row stays empty.
    if let Some(name) = &named.name
        && distill::declared(name).is_some()
    {
        return match named.params.first() {
            None => Ok(()),
            Some((key, _)) => {
                let message = format!(
                    "`{}` is declared but not defined, so it has no `{}`",
                    name.value, key.value
                );
                Err(source.error(&key.span, message))
            }
        };
    }
    let known: Vec<Info> = distill::DISTILL.iter().map(|d| d.info).collect();
    let info = find(source, "distillation loss", &named, &known)?;
    params(source, &named, info).map(drop)
}
