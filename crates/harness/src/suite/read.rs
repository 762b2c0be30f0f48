//! From a tree that fits the grammar to the model. What the grammar cannot say is checked
//! here: alternatives (`epochs` or `steps`), duplicate ids.

use super::model::*;
use super::source::{At, Source};
use super::tree::{Node, Value};
use super::{check, whole};
use frbench_base::{Result, Size};
use frbench_job::{
    BalancedSpec, Color, ConvMode, Decay, DegradeKind, InputSpec, Length, OptimizerSpec, Precision,
    ScheduleSpec,
};
use std::collections::BTreeMap;

/// Reads a suite. The error is a usage error that points into its text, or into that of a file of
/// recipes.
pub fn parse(source: Source) -> Result<Suite> {
    let root = whole::whole(&source)?.root;
    let mut entries = Vec::new();
    for (key, role) in [("teacher", Role::Teacher), ("student", Role::Student)] {
        entries.extend(root.get(key).map(|n| entry(n, role)));
    }
    for (key, role) in [
        ("baseline", Role::Baseline),
        ("method", Role::Method),
        ("ablation", Role::Ablation),
    ] {
        entries.extend(items(&root, key).iter().map(|n| entry(n, role)));
    }
    let suite = Suite {
        name: text(&root, "name").value,
        title: text(&root, "title").value,
        analysis: text(&root, "analysis").value.trim().to_string(),
        published: texts(&root, "published"),
        paper: root.get("paper").map(paper),
        conditions: items(&root, "condition")
            .iter()
            .map(|n| condition(&source, n))
            .collect::<Result<_>>()?,
        models: pairs(&root, "model").iter().map(model).collect(),
        protocols: pairs(&root, "protocol").iter().map(protocol).collect(),
        profiles: pairs(&root, "profile")
            .iter()
            .map(|p| profile(&source, p, root.get("model").is_some()))
            .collect::<Result<_>>()?,
        claims: items(&root, "claim").iter().map(claim).collect(),
        gates: items(&root, "gate").iter().map(gate).collect(),
        references: items(&root, "reference").iter().map(reference).collect(),
        entries,
        source,
    };
    check::folder_name(&suite.source, "suite's `name`", &text(&root, "name"))?;
    for (id, _) in pairs(&root, "profile") {
        check::folder_name(&suite.source, "profile's name", id)?;
    }
    unique(&suite.source, suite.entries.iter().map(|e| &e.id))?;
    unique(&suite.source, suite.claims.iter().map(|c| &c.id))?;
    unique(&suite.source, suite.gates.iter().map(|g| &g.id))?;
    unique(&suite.source, suite.conditions.iter().map(|c| &c.id))?;
    Ok(suite)
}

fn unique<'a>(source: &Source, ids: impl Iterator<Item = &'a At<String>>) -> Result<()> {
    let mut seen: BTreeMap<&str, &At<String>> = BTreeMap::new();
    for id in ids {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || !id.chars().all(plain) {
            return Err(source.error(
                &id.span,
                format_args!(
                    "id `{}`: use lower-case letters, digits and dashes",
                    id.value
                ),
            ));
        }
        if let Some(first) = seen.insert(id.as_str(), id) {
            let (line, _) = source.position(first.span.start);
            return Err(source.error(
                &id.span,
                format_args!("id `{}` is taken by line {line}; ids must differ", id.value),
            ));
        }
    }
    Ok(())
}

// The grammar has been checked: what is read below is there and has its type.

fn text(node: &Node, key: &str) -> At<String> {
    opt_text(node, key).unwrap_or_else(|| At::new(String::new(), node.span.clone()))
}

fn opt_text(node: &Node, key: &str) -> Option<At<String>> {
    let value = node.get(key)?;
    Some(At::new(value.as_text()?.to_string(), value.span.clone()))
}

fn plain(node: &Node, key: &str) -> Option<String> {
    opt_text(node, key).map(|t| t.value)
}

fn number(node: &Node, key: &str) -> Option<f64> {
    node.get(key)?.as_f64()
}

fn int(node: &Node, key: &str) -> Option<i64> {
    node.get(key)?.as_int()
}

fn items<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map_or(&[], Node::list)
}

/// Texts with their places.
fn names(node: &Node, key: &str) -> Vec<At<String>> {
    let items = items(node, key).iter();
    items
        .filter_map(|n| Some(At::new(n.as_text()?.to_string(), n.span.clone())))
        .collect()
}

fn texts(node: &Node, key: &str) -> Vec<String> {
    let items = items(node, key).iter();
    items
        .filter_map(|n| n.as_text().map(str::to_string))
        .collect()
}

fn pairs<'a>(node: &'a Node, key: &str) -> &'a [(At<String>, Node)] {
    node.get(key).map_or(&[], Node::table)
}

fn seeds(node: &Node) -> Option<At<Vec<u64>>> {
    let value = node.get("seeds")?;
    let seeds = value.list().iter().filter_map(Node::as_int);
    Some(At::new(
        seeds.map(|s| s as u64).collect(),
        value.span.clone(),
    ))
}

fn entry(node: &Node, role: Role) -> Entry {
    Entry {
        role,
        id: text(node, "id"),
        label: text(node, "label").value,
        note: plain(node, "note"),
        published: texts(node, "published"),
        of: opt_text(node, "of"),
        teacher: opt_text(node, "teacher"),
        under: node
            .get("under")
            .map(|n| At::new(texts(node, "under"), n.span.clone())),
        settings: settings(node),
    }
}

fn settings(node: &Node) -> Settings {
    Settings {
        method: node.get("method").map(named),
        head: node.get("head").map(named),
        model: opt_text(node, "model"),
        network: opt_text(node, "network"),
        training: opt_text(node, "training"),
        start: opt_text(node, "start"),
        keep: node.get("keep").map(|n| Keep {
            by: text(n, "by"),
            degrees: number(n, "degrees").unwrap_or(180.0),
        }),
        seeds: seeds(node),
        matrix: node.get("matrix").map(|m| {
            m.table()
                .iter()
                .map(|(k, v)| (k.clone(), v.list().to_vec()))
                .collect()
        }),
    }
}

fn named(node: &Node) -> Named {
    let params = node.table().iter().filter(|(k, _)| k.value != "name");
    Named {
        span: node.span.clone(),
        name: opt_text(node, "name"),
        params: params.cloned().collect(),
    }
}

fn paper(node: &Node) -> Paper {
    Paper {
        title: text(node, "title").value,
        authors: texts(node, "authors"),
        venue: plain(node, "venue"),
        year: int(node, "year"),
        url: plain(node, "url"),
        doi: plain(node, "doi"),
        arxiv: plain(node, "arxiv"),
        code: plain(node, "code"),
    }
}

fn condition(source: &Source, node: &Node) -> Result<Condition> {
    Ok(Condition {
        id: text(node, "id"),
        label: text(node, "label").value,
        note: plain(node, "note"),
        noise: node.get("noise").map(|n| Noise {
            closed: number(n, "closed").unwrap_or(0.0),
            open: number(n, "open").unwrap_or(0.0),
            seed: int(n, "seed").unwrap_or(0) as u64,
        }),
        degrade: degrade(source, node)?,
    })
}

/// The `degrade` of a condition or of an input.
fn degrade(source: &Source, node: &Node) -> Result<Option<At<Degrade>>> {
    let Some(node) = node.get("degrade") else {
        return Ok(None);
    };
    let to = match (number(node, "factor"), int(node, "side")) {
        (Some(factor), None) => Reduced::Factor(factor),
        (None, Some(side)) => Reduced::Side(side as usize),
        (both, _) => {
            let what = if both.is_some() { "both" } else { "neither" };
            let message = format!("`degrade` states {what} of `factor` and `side`; state one");
            return Err(source.error(&node.span, message));
        }
    };
    let kind = match text(node, "kind").as_str() {
        "bicubic" => DegradeKind::Bicubic,
        _ => DegradeKind::NearestBlur,
    };
    Ok(Some(At::new(Degrade { kind, to }, node.span.clone())))
}

fn model((id, node): &(At<String>, Node)) -> Model {
    Model {
        id: id.clone(),
        file: text(node, "file"),
        preset: opt_text(node, "preset"),
        input: node.get("input").map(|input| {
            let (mean, std) = (number(input, "mean"), number(input, "std"));
            let stated = (color(input), mean.unwrap_or(0.0), std.unwrap_or(1.0));
            At::new(stated, input.span.clone())
        }),
        backbone: node.get("backbone").map(named),
    }
}

fn color(input: &Node) -> Color {
    Color::named(&text(input, "color")).unwrap_or(Color::Rgb)
}

fn protocol((id, node): &(At<String>, Node)) -> Protocol {
    Protocol {
        id: id.clone(),
        kind: node.get("kind").map(named).unwrap_or_else(|| named(node)),
    }
}

fn claim(node: &Node) -> Claim {
    let yes = |key: &str| node.get(key).and_then(Node::as_bool) == Some(true);
    Claim {
        id: text(node, "id"),
        text: text(node, "text").value,
        better: text(node, "better"),
        than: text(node, "than"),
        on: text(node, "on"),
        metric: text(node, "metric"),
        margin: number(node, "margin").unwrap_or(0.0),
        margin_source: plain(node, "margin-source"),
        why: plain(node, "why"),
        under: opt_text(node, "under"),
        question: yes("question"),
        primary: yes("primary") || yes("question"),
        reconstructed: plain(node, "reconstructed"),
        source: plain(node, "source"),
    }
}

fn gate(node: &Node) -> Gate {
    Gate {
        id: text(node, "id"),
        entry: text(node, "entry"),
        on: text(node, "on"),
        metric: text(node, "metric"),
        under: opt_text(node, "under"),
        tolerance: number(node, "tolerance").unwrap_or(0.0),
        why: text(node, "why").value,
    }
}

fn reference(node: &Node) -> Reference {
    Reference {
        entry: text(node, "entry"),
        data: text(node, "data").value,
        metric: text(node, "metric").value,
        value: number(node, "value"),
        source: text(node, "source").value,
        context: text(node, "context").value,
    }
}

/// `models`: whether the suite has networks that come from files.
fn profile(source: &Source, (id, node): &(At<String>, Node), models: bool) -> Result<Profile> {
    let missing = |key: &str| {
        source.error(
            &id.span,
            format_args!("profile `{}` states no `{key}`", id.value),
        )
    };
    // Where no network comes from a file, all are trained.
    let of_training: &[&str] = match models {
        true => &[],
        false => &["train-data", "seeds", "network", "training"],
    };
    for key in ["entries", "evaluate"].iter().chain(of_training) {
        node.get(key).ok_or_else(|| missing(key))?;
    }
    Ok(Profile {
        id: id.clone(),
        summary: text(node, "summary").value.trim().to_string(),
        train_data: opt_text(node, "train-data"),
        seeds: seeds(node).filter(|s| !s.is_empty()),
        entries: names(node, "entries"),
        conditions: names(node, "conditions"),
        outliers: opt_text(node, "outliers"),
        evaluate: items(node, "evaluate")
            .iter()
            .map(|n| Evaluate {
                data: text(n, "data"),
                protocol: text(n, "protocol"),
                entries: n.get("entries").map(|_| names(n, "entries")),
                native: n.get("native").and_then(Node::as_bool) == Some(true),
            })
            .collect(),
        networks: pairs(node, "network")
            .iter()
            .map(|p| network(source, p))
            .collect::<Result<_>>()?,
        trainings: pairs(node, "training")
            .iter()
            .map(|p| training(source, p))
            .collect::<Result<_>>()?,
        overrides: pairs(node, "override")
            .iter()
            .map(|(id, n)| (id.clone(), settings(n)))
            .collect(),
    })
}

/// One side of a square, or height and width.
fn size(input: &Node) -> Size {
    let side = |node: &Node| match node.value {
        Value::Int(side) => side as usize,
        _ => 0,
    };
    match input.get("size").map(|node| (node, node.list())) {
        Some((_, [height, width])) => [side(height), side(width)].into(),
        Some((node, _)) => side(node).into(),
        None => 0.into(),
    }
}

fn network(source: &Source, (id, node): &(At<String>, Node)) -> Result<Network> {
    let input = node.get("input").unwrap_or(node);
    Ok(Network {
        id: id.clone(),
        backbone: named(node.get("backbone").unwrap_or(node)),
        embedding: int(node, "embedding").unwrap_or(0) as usize,
        input: InputSpec {
            size: size(input),
            color: color(input),
            mean: number(input, "mean").unwrap_or(0.0),
            std: number(input, "std").unwrap_or(1.0),
            degrade: None,
        },
        degrade: degrade(source, input)?,
        conv: match text(node, "conv").as_str() {
            "direct" => ConvMode::Direct,
            _ => ConvMode::Fast,
        },
    })
}

fn training(source: &Source, (id, node): &(At<String>, Node)) -> Result<Training> {
    let length = match (number(node, "epochs"), int(node, "steps")) {
        (Some(e), None) => Length::Epochs(e),
        (None, Some(s)) => Length::Steps(s as u64),
        (both, _) => {
            let what = if both.is_some() { "both" } else { "neither" };
            return Err(source.error(
                &id.span,
                format_args!(
                    "training `{}` states {what} of `epochs` and `steps`; state one",
                    id.value
                ),
            ));
        }
    };
    let total = match length {
        Length::Epochs(e) => e,
        Length::Steps(s) => s as f64,
    };
    let warmup = number(node, "warmup").unwrap_or(0.0);
    if let Some(n) = node.get("warmup").filter(|_| warmup > total) {
        return Err(source.error(
            &n.span,
            format_args!("`warmup` is longer than the training ({warmup} of {total})"),
        ));
    }
    let batch = int(node, "batch").unwrap_or(1) as usize;
    let bn_group = int(node, "bn-group").map_or(batch, |g| g as usize);
    if let Some(n) = node
        .get("bn-group")
        .filter(|_| !batch.is_multiple_of(bn_group))
    {
        return Err(source.error(
            &n.span,
            format_args!("`bn-group` is {bn_group}; it must divide the batch of {batch}"),
        ));
    }
    let balanced = node
        .get("balanced")
        .map(|n| balanced(source, n, batch))
        .transpose()?;
    let keep_last = node.get("keep-last").and_then(Node::as_bool) == Some(true);
    if let (Some(n), true) = (node.get("keep-last"), keep_last && balanced.is_some()) {
        let what = "batches that are partly `balanced` have no last one to keep";
        return Err(source.error(&n.span, what));
    }
    Ok(Training {
        id: id.clone(),
        data: opt_text(node, "data"),
        schedule: ScheduleSpec {
            length,
            lr: number(node, "lr").unwrap_or(0.0),
            warmup,
            decay: decay(source, node.get("decay").unwrap_or(node), total)?,
        },
        optimizer: OptimizerSpec {
            momentum: number(node, "momentum").unwrap_or(0.0),
            nesterov: node.get("nesterov").and_then(Node::as_bool) == Some(true),
            weight_decay: number(node, "weight-decay").unwrap_or(0.0),
            clip: number(node, "clip"),
            spare_norms: node.get("decay-norms").and_then(Node::as_bool) == Some(false),
        },
        batch,
        bn_group,
        flip: node.get("flip").and_then(Node::as_bool) == Some(true),
        precision: match opt_text(node, "precision")
            .as_ref()
            .map(|p| p.value.as_str())
        {
            Some("tf32") => Precision::Tf32,
            Some("bf16") => Precision::Bf16,
            _ => Precision::F32,
        },
        balanced,
        keep_last,
    })
}

fn balanced(source: &Source, node: &Node, batch: usize) -> Result<BalancedSpec> {
    let spec = BalancedSpec {
        images: int(node, "images").unwrap_or(0) as usize,
        per_identity: int(node, "per-identity").unwrap_or(1) as usize,
        unclassified: node.get("classified").and_then(Node::as_bool) == Some(false),
    };
    let wrong = if spec.images > batch {
        format!("`images` is {}; the batch holds {batch}", spec.images)
    } else if spec.unclassified && spec.images == batch {
        "with `classified = false` the head sees none of the batch; leave it some random images"
            .to_string()
    } else if !spec.images.is_multiple_of(spec.per_identity) {
        format!(
            "`images` is {}; it must be a multiple of `per-identity`, {}",
            spec.images, spec.per_identity
        )
    } else {
        return Ok(spec);
    };
    let span = node.get("images").map_or(&node.span, |n| &n.span);
    Err(source.error(span, wrong))
}

/// The keys of each kind of decay are exactly these; a stray one would be ignored silently.
fn decay(source: &Source, node: &Node, total: f64) -> Result<Decay> {
    let kind = text(node, "kind");
    let keys: &[&str] = match kind.as_str() {
        "step" => &["milestones", "gamma"],
        "polynomial" => &["power"],
        _ => &[],
    };
    let stray = node
        .table()
        .iter()
        .find(|(k, _)| k.value != "kind" && !keys.contains(&k.as_str()));
    if let Some((k, _)) = stray {
        return Err(source.error(
            &k.span,
            format_args!("`{}` has no meaning for decay `{}`", k.value, kind.value),
        ));
    }
    if let Some(key) = keys.iter().find(|k| node.get(k).is_none()) {
        return Err(source.error(
            &node.span,
            format_args!("decay `{}` needs `{key}`", kind.value),
        ));
    }
    Ok(match kind.as_str() {
        "step" => {
            let at = items(node, "milestones");
            let milestones: Vec<f64> = at.iter().filter_map(Node::as_f64).collect();
            if let Some(i) = (0..at.len())
                .find(|&i| milestones[i] > total || (i > 0 && milestones[i] <= milestones[i - 1]))
            {
                return Err(source.error(
                    &at[i].span,
                    format_args!("milestones must increase and lie within the training of {total}"),
                ));
            }
            Decay::Step {
                milestones,
                gamma: number(node, "gamma").unwrap_or(1.0),
            }
        }
        "polynomial" => Decay::Polynomial {
            power: number(node, "power").unwrap_or(1.0),
        },
        "cosine" => Decay::Cosine,
        _ => Decay::Constant,
    })
}
