//! What became of wrong labels, and where networks look.

use super::super::pictures::Figure;
use super::super::view::*;
use super::markup::*;
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) fn labels(out: &mut String, view: &View) {
    if view.labels.is_empty() {
        return;
    }
    out.push_str("## Wrong labels\n\nThe last epoch of training, mean over seeds. The first four numbers are shares of images nearest to a class: of those with right labels and with wrong ones to the class of the label, of those with wrong labels to the class of the person, of outliers to the class of the label. The others are about labels that a head rewrote: how many; how many of these were wrong (precision); how many of the labels of another class were rewritten (recall), and of those, how many were given the person's class; how many right labels were rewritten.\n\n");
    let rows = view.labels.iter().flat_map(|b| &b.rows).map(|r| {
        let mut line = vec![text(&r.name)];
        let shares = [&r.clean, &r.flipped, &r.truth, &r.outliers];
        let rewritten = [&r.corrected, &r.precision, &r.recall, &r.landed];
        line.extend(shares.into_iter().chain(rewritten).map(measured));
        line.push(match r.damaged_share.value.as_str() {
            "" => measured(&r.damaged),
            share => format!("{} ({share})", r.damaged.value),
        });
        line
    });
    let head = [
        "",
        "right labels",
        "wrong labels",
        "at the person",
        "outliers",
        "corrected",
        "precision",
        "recall",
        "right class",
        "damaged",
    ];
    table(out, &head, 1, rows);
    figures(out, view.labels.iter().flat_map(|b| &b.gallery));
}

pub(super) fn attention(out: &mut String, view: &View) {
    let Some(a) = &view.attention else {
        return;
    };
    out.push_str("## Where networks look\n\n");
    if !a.stages.is_empty() {
        out.push_str("Share of spatial attention on eyes, nose and corners of the mouth, mean over seeds, and how many times the share of the area that they take.\n\n");
        let mut head = vec![String::new()];
        head.extend(a.stages.iter().map(|(stage, tap)| match tap.as_str() {
            "" => stage.clone(),
            tap => format!("{stage}, {}", text(tap)),
        }));
        let rows = a.blocks.iter().flat_map(|b| &b.rows).map(|r| {
            let mut line = vec![text(&r.name)];
            line.extend(r.cells.iter().map(|c| match c.on.value.as_str() {
                "" => "–".to_string(),
                _ => format!("{}, {}", measured(&c.on), c.ratio),
            }));
            line
        });
        table(out, &head, 1, rows);
    }
    figures(out, a.gallery.iter().flat_map(|b| &b.rows));
    if !a.caption.is_empty() {
        let _ = writeln!(out, "{}\n", text(&a.caption));
    }
}

/// Pictures with what is said about each, if each has something of its own; a teacher's, which
/// the page shows with every condition, once.
fn figures<'a>(out: &mut String, figures: impl Iterator<Item = &'a Figure>) {
    let mut shown = BTreeSet::new();
    for figure in figures {
        if figure.source.is_empty() || !shown.insert((&figure.title, &figure.source)) {
            continue;
        }
        let under = match figure.condition.as_str() {
            "" => String::new(),
            condition => format!(" under {condition}"),
        };
        let name = format!("{}{under}, seed {}", figure.title, figure.seed);
        let said = if figure.explained {
            &*figure.caption
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "{}\n\n![{}]({})\n",
            text(format!("{name}. {said}").trim()),
            text(&name),
            figure.source
        );
    }
}
