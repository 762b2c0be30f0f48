//! What is trained: entries with their matrices expanded and every setting in place.

use super::columns::holds;
use super::files;
use super::links::{self, Stated};
use super::names::Names;
use super::*;
use crate::suite::preset;
use crate::suite::source::{At, Source};
use frbench_methods::distill::{self, Declared};

/// What keys of a matrix begin with that vary the head and not the method.
const OF_HEAD: &str = "head.";

/// The id of an override that is for all entries.
pub(super) const ALL: &str = "*";

pub(super) fn rows(names: &Names, profile: &Profile) -> Result<Vec<Row>> {
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
    let mut stated = Vec::new();
    for condition in conditions(names, profile)? {
        for entry in &wanted {
            // A teacher serves all conditions, and is trained once.
            let condition = condition.filter(|_| entry.role != Role::Teacher);
            let there = rows.iter().any(|r: &Row| r.entry == entry.id.value);
            let elsewhere = condition.is_some_and(|c| !entry.runs_under(&c.id.value));
            if (condition.is_none() && there) || elsewhere {
                continue;
            }
            let place = Place {
                names,
                profile,
                entry,
                condition,
            };
            let settings = settings(&place)?;
            if let Some(matrix) = &settings.matrix {
                limits::matrix(names.source(), &entry.id, matrix)?;
            }
            for row in expand(&place, &settings)? {
                stated.push(Stated {
                    teacher: names.teacher(entry)?,
                    start: settings.start.clone(),
                    keep: settings.keep.clone(),
                });
                rows.push(row);
            }
            limits::rows(names.source(), &profile.id, rows.len())?;
        }
    }
    for entry in wanted {
        if let Some(under) = &entry.under
            && rows.iter().all(|r| r.entry != entry.id.value)
        {
            let message = format!(
                "profile `{}` runs `{}`, but under none of its conditions, {}",
                profile.id.value,
                entry.id.value,
                under.join(", ")
            );
            return Err(names.source().error(&under.span, message));
        }
    }
    links::connect(names, profile, &mut rows, &stated)?;
    Ok(rows)
}

impl Entry {
    fn runs_under(&self, condition: &str) -> bool {
        let under = self.under.as_ref();
        under.is_none_or(|ids| ids.iter().any(|id| id == condition))
    }
}

/// Where a row comes from.
struct Place<'a> {
    names: &'a Names<'a>,
    profile: &'a Profile,
    entry: &'a Entry,
    condition: Option<&'a Condition>,
}

/// The conditions that a profile runs under; none is one of its own.
fn conditions<'a>(names: &Names<'a>, profile: &Profile) -> Result<Vec<Option<&'a Condition>>> {
    let mut out: Vec<Option<&Condition>> = Vec::new();
    for id in &profile.conditions {
        let condition = names.condition(id)?;
        if out.contains(&Some(condition)) {
            let message = format!("`{}` is listed twice", id.value);
            return Err(names.source().error(&id.span, message));
        }
        out.push(Some(condition));
    }
    if out.is_empty() {
        out.push(None);
    }
    Ok(out)
}

/// What an entry states, after its origin and the profile's overrides: first those for all
/// entries, then those of the entry, each in general and then under this condition.
fn settings(place: &Place) -> Result<Settings> {
    let (names, profile, entry) = (place.names, place.profile, place.entry);
    let mut out = Settings::default();
    let mut overlay = |entry: &Entry| {
        out.overlay(&entry.settings);
        // An ablation has what is said of all from the entry that it varies.
        let all = entry.of.is_none().then_some(ALL);
        for id in all.into_iter().chain([entry.id.as_str()]) {
            let here = place.condition.map(|c| format!("{id}@{}", c.id.value));
            for wanted in [Some(id.to_string()), here].into_iter().flatten() {
                let stated = profile.overrides.iter();
                for (_, s) in stated.filter(|(id, _)| id.value == wanted) {
                    out.overlay(s);
                }
            }
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
    /// `over` names another method or head, or a preset, which stands for all of them.
    fn overlay(&mut self, over: &Settings) {
        overlay_named(&mut self.method, &over.method);
        overlay_named(&mut self.head, &over.head);
        for (mine, theirs) in [
            (&mut self.model, &over.model),
            (&mut self.network, &over.network),
            (&mut self.training, &over.training),
            (&mut self.start, &over.start),
        ] {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        if over.keep.is_some() {
            self.keep.clone_from(&over.keep);
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
            if over.params.iter().any(|(k, _)| k.value == preset::PRESET) {
                mine.params.clear();
            }
            for (key, node) in &over.params {
                mine.params.retain(|(k, _)| k.value != key.value);
                mine.params.push((key.clone(), node.clone()));
            }
        }
        _ => *mine = Some(over.clone()),
    }
}

fn expand(place: &Place, settings: &Settings) -> Result<Vec<Row>> {
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
        .enumerate()
        .map(|(i, values)| row(place, settings, values, i == 0))
        .collect()
}

/// The row of one combination of a matrix; `first` is the first of them.
fn row(
    place: &Place,
    settings: &Settings,
    values: Vec<(At<String>, crate::suite::tree::Node)>,
    first: bool,
) -> Result<Row> {
    let &Place {
        names,
        profile,
        entry,
        condition,
    } = place;
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
    let mut of = entry.of.as_ref().map(|o| o.value.clone());
    if let Some(condition) = condition {
        let under = format!("@{}", condition.id.value);
        id += &under;
        of = of.map(|of| of + &under);
    }
    let published = match entry.published.as_slice() {
        [] => vec![label.clone()],
        names => names.to_vec(),
    };
    let mut info = RowInfo {
        id,
        label,
        role: entry.role,
        group: match values.is_empty() {
            true => String::new(),
            false => entry.id.value.clone(),
        },
        of,
        note: entry.note.clone().unwrap_or_default(),
        condition: condition.map_or(String::new(), |c| c.label.clone()),
        published,
    };
    let under = condition.map(|c| c.id.value.clone());

    if let Some(model) = &settings.model {
        let file = files::model(names, entry, settings, model)?;
        let degrade = condition.and_then(|c| c.degrade.as_ref());
        let degrade = degrade.map(|d| degraded(source, d, file.input.size));
        return Ok(Row {
            info,
            entry: entry.id.value.clone(),
            under,
            // A file is one network, whatever seed it was trained with.
            seeds: vec![0],
            first_seed: 0,
            listed: true,
            teacher: None,
            start: None,
            keep: None,
            backbone: file.found.backbone.clone(),
            input: InputSpec {
                degrade: degrade.transpose()?.flatten(),
                ..file.input
            },
            model: ModelSource::File(file.found),
        });
    }

    let Some(mut method) = settings.method.clone() else {
        return Err(missing(source, entry, "method"));
    };
    let mut head = settings.head.clone();
    for (key, node) in values {
        let (named, key) = match key.value.strip_prefix(OF_HEAD) {
            None => (&mut method, key),
            Some(name) => match &mut head {
                Some(head) => (head, At::new(name.to_string(), key.span.clone())),
                None => {
                    let message = format!("`{}` varies a head; state `head`", key.value);
                    return Err(source.error(&key.span, message));
                }
            },
        };
        named.params.retain(|(k, _)| k.value != key.value);
        named.params.push((key, node));
    }
    let infos = known.method_infos();
    let found = catalogue::find(source, "method", &method, &infos)?;
    let method_spec = MethodSpec {
        name: found.name.to_string(),
        params: catalogue::params(source, &method, found)?,
    };
    let head = head
        .as_ref()
        .map(|named| preset::head(source, named, known))
        .transpose()?;
    let empty = undefined(&method_spec);
    let needs = match empty {
        Some(_) => Needs::default(),
        None => needs(names, entry, &method, &method_spec, head.as_ref())?,
    };

    let wanted = settings.network.as_ref();
    let wanted = wanted.ok_or_else(|| missing(source, entry, "network"))?;
    let network = profile.networks.iter().find(|n| n.id.value == wanted.value);
    let network = network.ok_or_else(|| {
        let ids = profile.networks.iter().map(|n| n.id.as_str());
        names.undefined(profile, "network", wanted, ids)
    })?;
    let backbone = catalogue::find(source, "backbone", &network.backbone, &known.backbones)?;

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
    let lacks = |key: &str| {
        source.error(
            &profile.id.span,
            format_args!("profile `{}` states no `{key}`", profile.id.value),
        )
    };
    let seeds = settings.seeds.as_ref().or(profile.seeds.as_ref());
    let seeds = seeds.ok_or_else(|| lacks("seeds"))?;
    distinct(source, seeds)?;
    let data_name = training.data.as_ref().or(profile.train_data.as_ref());
    let data_name = data_name.ok_or_else(|| lacks("train-data"))?;
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
    let data = match condition.and_then(|c| c.noise) {
        Some(noise) => noisy(names, profile, data, noise)?,
        None => data,
    };
    let degrade = condition.and_then(|c| c.degrade.as_ref());
    let degrade = degrade.or(network.degrade.as_ref());
    let input = InputSpec {
        degrade: degrade
            .map(|d| degraded(source, d, network.input.size))
            .transpose()?
            .flatten(),
        ..network.input.clone()
    };
    let trained = Trained {
        method: method_spec,
        // A head that the method does not use must not change the key of its training.
        head: head.filter(|_| needs.head),
        needs,
        data,
        schedule: training.schedule.clone(),
        optimizer: training.optimizer.clone(),
        batch: training.batch,
        bn_group: training.bn_group,
        flip: training.flip,
        precision: training.precision,
        balanced: training.balanced,
        keep_last: training.keep_last,
    };
    if empty.is_none() {
        limits::training(source, &training.id, &info.id, &trained)?;
        limits::neighbours(source, &entry.id, &info.id, &trained)?;
    }
    if let Some(declared) = empty {
        info.note = format!("Not run: {}.", declared.reason);
    }
    let row = Row {
        info,
        entry: entry.id.value.clone(),
        under,
        // A row without seeds is shown, and nothing is run for it.
        seeds: match empty {
            Some(_) => Vec::new(),
            None => seeds.value.clone(),
        },
        first_seed: seeds.value.first().copied().unwrap_or(0),
        listed: true,
        teacher: None,
        start: None,
        keep: None,
        backbone: BackboneSpec {
            name: backbone.name.to_string(),
            embedding: network.embedding,
            params: catalogue::params(source, &network.backbone, backbone)?,
            conv: network.conv,
        },
        input,
        model: ModelSource::Trained(Box::new(trained)),
    };
    if empty.is_none() && first {
        // Building one takes a while, and a matrix does not change it.
        limits::network(source, &network.id, &row)?;
    }
    Ok(row)
}

/// The loss of a method that is declared and has no definition to run it by.
fn undefined(method: &MethodSpec) -> Option<&'static Declared> {
    let losses = method.params.get("losses")?.as_array()?;
    let names = losses.iter().filter_map(|loss| loss["name"].as_str());
    names.filter_map(distill::declared).next()
}

/// The training set with a condition's noise in it; itself where there is none.
fn noisy(names: &Names, profile: &Profile, base: DataSpec, noise: Noise) -> Result<DataSpec> {
    let percent = |rate: f64| ((rate * 1e6).round() / 1e4).to_string();
    let mut name = base.name.clone() + "+";
    if noise.closed > 0.0 {
        name += &format!("c{}", percent(noise.closed));
    }
    let mut outliers = None;
    if noise.open > 0.0 {
        let set = profile.outliers.as_ref().ok_or_else(|| {
            names.source().error(
                &profile.id.span,
                format_args!(
                    "profile `{}` has open-set noise and states no `outliers` to take it from",
                    profile.id.value
                ),
            )
        })?;
        let spec = names.known.dataset(names.source(), set)?;
        if matches!(spec.format, DataFormat::Pairs | DataFormat::Templates) {
            return Err(names.source().error(
                &set.span,
                format_args!(
                    "`{}` holds {}; outliers are taken from a training set, or from distractors",
                    set.value,
                    holds(spec.format)
                ),
            ));
        }
        name += &format!("o{}-{}", percent(noise.open), spec.name);
        outliers = Some(spec);
    }
    if name.ends_with('+') {
        return Ok(base);
    }
    name += &format!("-seed{}", noise.seed);
    Ok(DataSpec {
        format: base.format,
        identity: names.known.pins.get(&name).cloned(),
        name,
        source: DataSource::Noisy(Box::new(NoisySpec {
            base,
            outliers,
            closed: noise.closed,
            open: noise.open,
            seed: noise.seed,
        })),
    })
}

/// What a loss of resolution comes to at this input size; nothing where it loses nothing.
fn degraded(source: &Source, stated: &At<Degrade>, size: Size) -> Result<Option<DegradeSpec>> {
    let side = match stated.to {
        Reduced::Factor(factor) => (size.height as f64 / factor).round() as usize,
        Reduced::Side(side) => side,
    };
    if !(2..=size.height).contains(&side) {
        return Err(source.error(
            &stated.span,
            format_args!(
                "an input of {size} pixels cannot be reduced to {side} x {side}; it must be at least \
                 2 and at most {}",
                size.height
            ),
        ));
    }
    let kind = stated.kind;
    Ok((side < size.height).then_some(DegradeSpec { kind, side }))
}

fn missing(source: &Source, entry: &Entry, key: &str) -> frbench_base::Error {
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
