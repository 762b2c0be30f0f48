//! One profile of a suite with every reference followed: rows to train, columns to evaluate,
//! claims to test. What is wrong with a suite beyond its grammar is found here.

use super::check::suggest;
use super::dataset;
use super::model::*;
use super::registries::{self, Registries};
use super::source::{At, Source};
use crate::Result;
use crate::method::Needs;
use crate::plan::spec::*;
use crate::registry::Params;
use serde::{Deserialize, Serialize};

/// A profile, ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub suite: String,
    pub title: String,
    pub analysis: String,
    pub published: Vec<String>,
    pub paper: Option<Paper>,
    pub profile: String,
    pub summary: String,
    pub rows: Vec<Row>,
    pub columns: Vec<Column>,
    pub claims: Vec<ResolvedClaim>,
    pub references: Vec<ReferenceRow>,
}

/// One row of the table: a way to train, at its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The entry's id; with a matrix, `id:key=value,...`.
    pub id: String,
    pub entry: String,
    pub of: Option<String>,
    pub role: Role,
    pub label: String,
    pub note: Option<String>,
    /// The values that a matrix gave to this row.
    pub settings: Params,
    pub seeds: Vec<u64>,
    /// The seed of the network that others learn from.
    pub first_seed: u64,
    /// False for a row that is there only because another learns from it.
    pub listed: bool,
    /// Index of the teacher's row.
    pub teacher: Option<usize>,
    pub method: MethodSpec,
    pub head: Option<HeadSpec>,
    pub needs: Needs,
    pub backbone: BackboneSpec,
    pub input: InputSpec,
    pub data: DataSpec,
    pub schedule: ScheduleSpec,
    pub optimizer: OptimizerSpec,
    pub batch: usize,
    pub bn_group: usize,
    pub flip: bool,
}

/// One column: a data set under a protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub data: DataSpec,
    /// The suite's name for the protocol.
    pub protocol: String,
    pub spec: ProtocolSpec,
    /// Parts of the data set that are embedded, and how.
    pub parts: &'static [&'static str],
    pub views: Views,
    /// The entries that are evaluated here; none means all.
    pub entries: Option<Vec<String>>,
}

impl Column {
    /// Whether an entry's networks are evaluated here.
    pub fn has(&self, entry: &str) -> bool {
        let ids = self.entries.as_ref();
        ids.is_none_or(|ids| ids.iter().any(|id| id == entry))
    }

    pub fn id(&self) -> String {
        format!("{}/{}", self.data.name, self.protocol)
    }
}

/// A claim, for one column of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResolvedClaim {
    pub id: String,
    pub text: String,
    /// Ids of rows.
    pub better: String,
    pub than: String,
    /// Id of the column; none where the profile does not evaluate it.
    pub column: Option<String>,
    pub on: String,
    pub metric: String,
    pub margin: f64,
    pub source: Option<String>,
}

/// A published number as the report shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRow {
    pub entry: String,
    pub data: String,
    pub metric: String,
    /// None: not available to us.
    pub value: Option<f64>,
    pub source: String,
    pub context: String,
}

/// Checks every profile; the first thing wrong is the error.
pub fn validate(suite: &Suite, known: &Registries) -> Result<()> {
    Names { suite, known }.check()?;
    for profile in &suite.profiles {
        resolve(suite, &profile.id, known)?;
    }
    Ok(())
}

/// The profile called `profile`.
pub fn resolve(suite: &Suite, profile: &str, known: &Registries) -> Result<Resolved> {
    let names = Names { suite, known };
    names.check()?;
    let Some(profile) = suite.profiles.iter().find(|p| p.id.value == profile) else {
        let ids = suite.profiles.iter().map(|p| p.id.as_str());
        return Err(crate::Error::Usage(format!(
            "{}: suite `{}` has no profile `{profile}`; {}",
            suite.source.name,
            suite.name,
            suggest(profile, ids)
        )));
    };
    names.overrides(profile)?;
    let rows = rows(&names, profile)?;
    let columns = columns(&names, profile)?;
    Ok(Resolved {
        suite: suite.name.clone(),
        title: suite.title.clone(),
        analysis: suite.analysis.clone(),
        published: suite.published.clone(),
        paper: suite.paper.clone(),
        profile: profile.id.value.clone(),
        summary: profile.summary.clone(),
        claims: claims(suite, &rows, &columns),
        references: suite
            .references
            .iter()
            .map(|r| ReferenceRow {
                entry: r.entry.value.clone(),
                data: r.data.clone(),
                metric: r.metric.clone(),
                value: r.value,
                source: r.source.clone(),
                context: r.context.clone(),
            })
            .collect(),
        rows,
        columns,
    })
}

/// References between parts of a suite.
struct Names<'a> {
    suite: &'a Suite,
    known: &'a Registries,
}

impl<'a> Names<'a> {
    fn source(&self) -> &'a Source {
        &self.suite.source
    }

    fn entry(&self, what: &str, id: &At<String>) -> Result<&'a Entry> {
        let found = self.suite.entries.iter().find(|e| e.id.value == id.value);
        found
            .ok_or_else(|| self.unknown(what, id, self.suite.entries.iter().map(|e| e.id.as_str())))
    }

    fn unknown<'b>(
        &self,
        what: &str,
        name: &At<String>,
        known: impl IntoIterator<Item = &'b str> + Clone,
    ) -> crate::Error {
        self.source().error(
            &name.span,
            format_args!("unknown {what} `{}`; {}", name.value, suggest(name, known)),
        )
    }

    fn undefined<'b>(
        &self,
        profile: &Profile,
        what: &str,
        name: &At<String>,
        known: impl IntoIterator<Item = &'b str> + Clone,
    ) -> crate::Error {
        self.source().error(
            &name.span,
            format_args!(
                "profile `{}` defines no {what} `{}`; {}",
                profile.id.value,
                name.value,
                suggest(name, known)
            ),
        )
    }

    /// What does not depend on a profile.
    fn check(&self) -> Result<()> {
        for entry in &self.suite.entries {
            self.origin(entry)?;
            self.teachers(entry)?;
        }
        for claim in &self.suite.claims {
            self.entry("entry", &claim.better)?;
            self.entry("entry", &claim.than)?;
            self.claimed_data(claim)?;
        }
        for reference in &self.suite.references {
            self.entry("entry", &reference.entry)?;
        }
        Ok(())
    }

    /// The entry that an ablation varies; ablations of ablations are not allowed.
    fn origin(&self, entry: &Entry) -> Result<Option<&'a Entry>> {
        let Some(of) = &entry.of else {
            return Ok(None);
        };
        let origin = self.entry("entry", of)?;
        if origin.role == Role::Ablation {
            return Err(self.source().error(
                &of.span,
                format_args!(
                    "`{}` varies `{}`, itself an ablation; vary the entry behind it",
                    entry.id.value, of.value
                ),
            ));
        }
        Ok(Some(origin))
    }

    fn teacher(&self, entry: &Entry) -> Result<Option<&'a At<String>>> {
        let own = self.entry("entry", &entry.id)?;
        match self.origin(entry)? {
            Some(origin) => Ok(origin.teacher.as_ref()),
            None => Ok(own.teacher.as_ref()),
        }
    }

    fn teachers(&self, entry: &Entry) -> Result<()> {
        let mut chain = vec![entry.id.value.as_str()];
        let mut next = self.teacher(entry)?;
        while let Some(id) = next {
            let seen = chain.contains(&id.as_str());
            chain.push(id);
            if seen {
                return Err(self.source().error(
                    &id.span,
                    format_args!("teachers form a circle: {}", chain.join(" -> ")),
                ));
            }
            next = self.teacher(self.entry("teacher", id)?)?;
        }
        Ok(())
    }

    fn claimed_data(&self, claim: &Claim) -> Result<()> {
        let mut names = Vec::new();
        for item in self.suite.profiles.iter().flat_map(|p| &p.evaluate) {
            let spec = self.known.dataset(self.source(), &item.data)?;
            names.push(dataset::family(&spec));
            names.push(spec.name);
        }
        names.sort();
        names.dedup();
        if names.contains(&claim.on.value) {
            return Ok(());
        }
        let known = names.iter().map(String::as_str);
        Err(self.source().error(
            &claim.on.span,
            format_args!(
                "no profile evaluates `{}`; {}",
                claim.on.value,
                suggest(&claim.on, known)
            ),
        ))
    }

    fn overrides(&self, profile: &Profile) -> Result<()> {
        for (id, _) in &profile.overrides {
            self.entry("entry", id)?;
        }
        Ok(())
    }
}

fn rows(names: &Names, profile: &Profile) -> Result<Vec<Row>> {
    let mut wanted: Vec<&Entry> = Vec::new();
    for id in &profile.entries {
        let entry = names.entry("entry", id)?;
        if wanted.iter().any(|e| e.id == entry.id) {
            let message = format!("`{}` is listed twice", id.value);
            return Err(names.source().error(&id.span, message));
        }
        wanted.push(entry);
    }
    let mut rows = Vec::new();
    let mut teachers = Vec::new();
    for entry in wanted {
        for row in expand(names, profile, entry)? {
            teachers.push(names.teacher(entry)?);
            rows.push(row);
        }
    }
    for (i, teacher) in teachers.into_iter().enumerate() {
        let Some(id) = teacher.filter(|_| rows[i].needs.teacher) else {
            continue;
        };
        let found: Vec<usize> = (0..rows.len())
            .filter(|&j| rows[j].entry == id.value)
            .collect();
        rows[i].teacher = match found[..] {
            [one] => Some(one),
            [] => {
                return Err(names.source().error(
                    &profile.id.span,
                    format_args!(
                        "profile `{}` runs `{}` but not its teacher `{}`; add it to `entries`",
                        profile.id.value, rows[i].entry, id.value
                    ),
                ));
            }
            _ => {
                return Err(names.source().error(
                    &id.span,
                    format_args!(
                        "`{}` has a matrix and is several networks; a teacher is one",
                        id.value
                    ),
                ));
            }
        };
    }
    Ok(rows)
}

/// What an entry states, after its origin and the profile's overrides.
fn settings(names: &Names, profile: &Profile, entry: &Entry) -> Result<Settings> {
    let mut out = Settings::default();
    let mut overlay = |entry: &Entry| {
        out.overlay(&entry.settings);
        for (_, s) in profile
            .overrides
            .iter()
            .filter(|(id, _)| *id.value == *entry.id.value)
        {
            out.overlay(s);
        }
    };
    if let Some(origin) = names.origin(entry)? {
        overlay(origin);
    }
    overlay(entry);
    Ok(out)
}

impl Settings {
    /// What `over` states replaces what is here; parameters are replaced one by one, unless
    /// `over` names another method or head.
    fn overlay(&mut self, over: &Settings) {
        overlay_named(&mut self.method, &over.method);
        overlay_named(&mut self.head, &over.head);
        for (mine, theirs) in [
            (&mut self.network, &over.network),
            (&mut self.training, &over.training),
        ] {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        if over.seeds.is_some() {
            self.seeds.clone_from(&over.seeds);
        }
        if over.matrix.is_some() {
            self.matrix.clone_from(&over.matrix);
        }
    }
}

fn overlay_named(mine: &mut Option<Named>, over: &Option<Named>) {
    let Some(over) = over else {
        return;
    };
    match mine {
        Some(mine) if over.name.is_none() || over.name.as_deref() == mine.name.as_deref() => {
            mine.span = over.span.clone();
            for (key, node) in &over.params {
                mine.params.retain(|(k, _)| k.value != key.value);
                mine.params.push((key.clone(), node.clone()));
            }
        }
        _ => *mine = Some(over.clone()),
    }
}

fn expand(names: &Names, profile: &Profile, entry: &Entry) -> Result<Vec<Row>> {
    let settings = settings(names, profile, entry)?;
    let mut combinations = vec![Vec::new()];
    for (key, values) in settings.matrix.iter().flatten() {
        combinations = combinations
            .iter()
            .flat_map(|c| {
                values.iter().map(move |v| {
                    let mut c = c.clone();
                    c.push((key.clone(), v.clone()));
                    c
                })
            })
            .collect();
    }
    combinations
        .into_iter()
        .map(|values| row(names, profile, entry, &settings, values))
        .collect()
}

fn row(
    names: &Names,
    profile: &Profile,
    entry: &Entry,
    settings: &Settings,
    values: Vec<(At<String>, super::tree::Node)>,
) -> Result<Row> {
    let (source, known) = (names.source(), names.known);
    let mut id = entry.id.value.clone();
    let mut label = entry.label.clone();
    for (i, (key, node)) in values.iter().enumerate() {
        let value = match node.as_text() {
            Some(text) => text.to_string(),
            None => node.json().to_string(),
        };
        id += &format!("{}{}={value}", if i == 0 { ':' } else { ',' }, key.value);
        label = label.replace(&format!("{{{}}}", key.value), &value);
    }
    let values_of = values.iter().map(|(k, n)| (k.value.clone(), n.json()));
    let stated: Params = values_of.collect();

    let Some(mut method) = settings.method.clone() else {
        return Err(missing(source, entry, "method"));
    };
    for (key, node) in values {
        method.params.retain(|(k, _)| k.value != key.value);
        method.params.push((key, node));
    }
    let infos = known.method_infos();
    let info = registries::find(source, "method", &method, &infos)?;
    let method_spec = MethodSpec {
        name: info.name.to_string(),
        params: registries::params(source, &method, info)?,
    };
    let head = settings
        .head
        .as_ref()
        .map(|named| -> Result<HeadSpec> {
            let info = registries::find(source, "head", named, &known.heads)?;
            Ok(HeadSpec {
                name: info.name.to_string(),
                params: registries::params(source, named, info)?,
            })
        })
        .transpose()?;
    let needs = needs(names, entry, &method, &method_spec, head.as_ref())?;

    let wanted = settings.network.as_ref();
    let wanted = wanted.ok_or_else(|| missing(source, entry, "network"))?;
    let network = profile.networks.iter().find(|n| n.id.value == wanted.value);
    let network = network.ok_or_else(|| {
        let ids = profile.networks.iter().map(|n| n.id.as_str());
        names.undefined(profile, "network", wanted, ids)
    })?;
    let backbone = registries::find(source, "backbone", &network.backbone, &known.backbones)?;

    let wanted = settings.training.as_ref();
    let wanted = wanted.ok_or_else(|| missing(source, entry, "training"))?;
    let training = profile
        .trainings
        .iter()
        .find(|t| t.id.value == wanted.value);
    let training = training.ok_or_else(|| {
        let ids = profile.trainings.iter().map(|t| t.id.as_str());
        names.undefined(profile, "training", wanted, ids)
    })?;
    let seeds = settings.seeds.as_ref().unwrap_or(&profile.seeds);
    distinct(source, seeds)?;
    let data_name = training.data.as_ref().unwrap_or(&profile.train_data);
    let data = known.dataset(source, data_name)?;
    if data.format != DataFormat::Train {
        return Err(source.error(
            &data_name.span,
            format_args!(
                "`{}` holds {}; training needs a training set",
                data.name,
                holds(data.format)
            ),
        ));
    }
    Ok(Row {
        id,
        entry: entry.id.value.clone(),
        of: entry.of.as_ref().map(|o| o.value.clone()),
        role: entry.role,
        label,
        note: entry.note.clone(),
        settings: stated,
        seeds: seeds.value.clone(),
        first_seed: seeds.value.first().copied().unwrap_or(0),
        listed: true,
        teacher: None,
        method: method_spec,
        // A head that the method does not use must not change the key of its training.
        head: head.filter(|_| needs.head),
        needs,
        backbone: BackboneSpec {
            name: backbone.name.to_string(),
            embedding: network.embedding,
            params: registries::params(source, &network.backbone, backbone)?,
        },
        input: network.input.clone(),
        data,
        schedule: training.schedule.clone(),
        optimizer: training.optimizer.clone(),
        batch: training.batch,
        bn_group: training.bn_group,
        flip: training.flip,
    })
}

fn missing(source: &Source, entry: &Entry, key: &str) -> crate::Error {
    source.error(
        &entry.id.span,
        format_args!("entry `{}` states no `{key}`", entry.id.value),
    )
}

fn distinct(source: &Source, seeds: &At<Vec<u64>>) -> Result<()> {
    let mut sorted = seeds.value.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.is_empty() || sorted.len() < seeds.value.len() {
        return Err(source.error(
            &seeds.span,
            "`seeds` must hold at least one seed, none twice",
        ));
    }
    Ok(())
}

/// What the method asks for, and whether the entry gives it.
fn needs(
    names: &Names,
    entry: &Entry,
    named: &Named,
    spec: &MethodSpec,
    head: Option<&HeadSpec>,
) -> Result<Needs> {
    let line = names
        .known
        .methods
        .iter()
        .find(|m| m.info.name == spec.name);
    let line = line.ok_or_else(|| missing(names.source(), entry, "method"))?;
    let needs = (line.needs)(spec, head).map_err(|e| names.source().error(&named.span, e))?;
    let lacks = |what: &str| {
        names.source().error(
            &entry.id.span,
            format_args!(
                "entry `{}`: method `{}` needs a {what}; state `{what}`",
                entry.id.value, spec.name
            ),
        )
    };
    if needs.head && head.is_none() {
        return Err(lacks("head"));
    }
    if needs.teacher && names.teacher(entry)?.is_none() {
        return Err(lacks("teacher"));
    }
    Ok(needs)
}

fn columns(names: &Names, profile: &Profile) -> Result<Vec<Column>> {
    let (source, known) = (names.source(), names.known);
    let mut columns: Vec<Column> = Vec::new();
    for item in &profile.evaluate {
        let (data, protocol) = (&item.data, &item.protocol);
        for id in item.entries.iter().flatten() {
            names.entry("entry", id)?;
        }
        let found = names
            .suite
            .protocols
            .iter()
            .find(|p| p.id.value == protocol.value);
        let found = found.ok_or_else(|| {
            let ids = names.suite.protocols.iter().map(|p| p.id.as_str());
            source.error(
                &protocol.span,
                format_args!(
                    "the suite defines no protocol `{}`; {}",
                    protocol.value,
                    suggest(protocol, ids)
                ),
            )
        })?;
        let infos = known.protocol_infos();
        let info = registries::find(source, "protocol", &found.kind, &infos)?;
        let spec = ProtocolSpec {
            name: info.name.to_string(),
            params: registries::params(source, &found.kind, info)?,
        };
        let Some(line) = known.protocols.iter().find(|p| p.info.name == info.name) else {
            continue;
        };
        let set = known.dataset(source, data)?;
        if set.format != line.format {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` holds {}; protocol `{}` (`{}`) needs {}",
                    data.value,
                    holds(set.format),
                    protocol.value,
                    info.name,
                    holds(line.format)
                ),
            ));
        }
        let column = Column {
            data: set,
            protocol: protocol.value.clone(),
            spec,
            parts: line.parts,
            views: line.views,
            entries: item
                .entries
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.value.clone()).collect()),
        };
        if columns.iter().any(|c| c.id() == column.id()) {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` is evaluated twice under `{}`",
                    data.value, protocol.value
                ),
            ));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn holds(format: DataFormat) -> &'static str {
    match format {
        DataFormat::Train => "a training set",
        DataFormat::Pairs => "pairs",
        DataFormat::Identification => "probes and distractors",
        DataFormat::Templates => "templates",
    }
}

fn claims(suite: &Suite, rows: &[Row], columns: &[Column]) -> Vec<ResolvedClaim> {
    let mut out = Vec::new();
    for claim in &suite.claims {
        let runs = |id: &str| rows.iter().any(|r| r.entry == id);
        let both = runs(&claim.better) && runs(&claim.than);
        let mut ids: Vec<Option<String>> = columns
            .iter()
            .filter(|c| c.data.name == claim.on.value || dataset::family(&c.data) == claim.on.value)
            .filter(|c| both && c.has(&claim.better) && c.has(&claim.than))
            .map(|c| Some(c.id()))
            .collect();
        if ids.is_empty() {
            ids.push(None);
        }
        out.extend(ids.into_iter().map(|column| ResolvedClaim {
            id: claim.id.value.clone(),
            text: claim.text.clone(),
            better: claim.better.value.clone(),
            than: claim.than.value.clone(),
            column,
            on: claim.on.value.clone(),
            metric: claim.metric.clone(),
            margin: claim.margin,
            source: claim.source.clone(),
        }));
    }
    out
}
