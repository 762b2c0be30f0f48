//! `frbench data inspect`

use super::context::DataArgs;
use super::data_find::find;
use super::output::{print, print_json};
use super::progress::Progress;
use crate::data::decode::{Kind, sniff};
use crate::data::set::DataSet;
use crate::embedded;
use crate::job::Description;
use crate::run::Stop;
use crate::{Result, Size};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Args, Debug)]
pub struct InspectArgs {
    /// A data set by name, or the path of a folder, a pack or records
    pub set: String,
    /// Look at so many pictures of each part, evenly spread
    #[arg(long, default_value_t = 2000)]
    pub pictures: usize,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: DataArgs,
}

/// What is seen of some pictures of a part.
#[derive(Default)]
struct Seen {
    pictures: usize,
    looked_at: usize,
    sizes: BTreeMap<Size, usize>,
    kinds: BTreeMap<&'static str, usize>,
    damaged: Vec<String>,
}

/// Says what a set is, without recording anything.
pub fn inspect(args: &InspectArgs) -> Result<()> {
    let found = find(&args.set, &args.data)?;
    let progress = Progress::new(args.json);
    let stop = Stop::on_signals()?;
    let watch = |done, total, unit: &'static str| {
        if total > 0 {
            progress.advance(&args.set, done, total, unit, "read");
        }
        stop.check_anew("inspecting")
    };
    let set = found.open(&watch)?;
    let mut parts = BTreeMap::new();
    for (name, _) in &set.parts {
        parts.insert(
            *name,
            look(&set, name, args.pictures, &|| stop.check_anew("inspecting"))?,
        );
    }
    progress.clear();
    let (people, counts) = set.description.counts();
    let more = spread(&set.description);
    let images: u64 = set.parts.iter().map(|(_, s)| s.len() as u64).sum();
    let like = resembles(&set, images, people, &counts)?;
    let notes = set.findings.notes();
    if args.json {
        let parts: BTreeMap<_, _> = parts
            .iter()
            .map(|(name, seen)| {
                let sizes: BTreeMap<String, usize> =
                    seen.sizes.iter().map(|(s, n)| (s.in_short(), *n)).collect();
                let of = json!({
                    "pictures": seen.pictures, "looked_at": seen.looked_at, "sizes": sizes,
                    "kinds": seen.kinds, "damaged": seen.damaged,
                });
                (*name, of)
            })
            .collect();
        return print_json(&json!({
            "format": found.spec.format, "layout": found.looks, "images": images,
            "people": people, "counts": counts, "parts": parts, "spread": more,
            "resembles": like, "notes": notes,
        }));
    }
    let mut out = format!("{}: `{}`", args.set, found.spec.format.name());
    if let Some(looks) = found.looks {
        out += &format!(", {looks}");
    }
    out += &format!("\n  {images} pictures");
    if people > 0 {
        out += &format!(", {people} people or classes");
    }
    for (name, count) in &counts {
        out += &format!(", {count} {}", name.replace('_', " "));
    }
    out.push('\n');
    for line in &more {
        out += &format!("  {line}\n");
    }
    for (name, seen) in &parts {
        out += &seen.words(name);
    }
    for line in like {
        out += &format!("  {line}\n");
    }
    for note in notes {
        out += &format!("  note: {note}\n");
    }
    print(&out)
}

impl Seen {
    fn words(&self, name: &str) -> String {
        if self.pictures == 0 {
            return format!("  {name}: none\n");
        }
        let mut sizes: Vec<(&Size, &usize)> = self.sizes.iter().collect();
        sizes.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let few = sizes.iter().take(4).map(|(s, n)| format!("{n} of {s}"));
        let few = few.collect::<Vec<_>>().join(", ");
        let more = match sizes.len().saturating_sub(4) {
            0 => String::new(),
            n => format!(" and {n} other sizes"),
        };
        let kinds = self.kinds.iter().map(|(k, n)| format!("{n} {k}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let mut out = format!(
            "  {name}: of {} pictures {} were looked at: {few}{more} (height x width); {kinds}\n",
            self.pictures, self.looked_at
        );
        for what in self.damaged.iter().take(5) {
            out += &format!("    damaged: {what}\n");
        }
        if self.damaged.len() > 5 {
            out += &format!("    and {} more\n", self.damaged.len() - 5);
        }
        out
    }
}

fn look(set: &DataSet, part: &str, most: usize, go_on: &dyn Fn() -> Result<()>) -> Result<Seen> {
    let source = set.part(part)?;
    let mut seen = Seen {
        pictures: source.len(),
        ..Seen::default()
    };
    let step = source.len().div_ceil(most.max(1)).max(1);
    for i in (0..source.len()).step_by(step) {
        go_on()?;
        seen.looked_at += 1;
        let bytes = match source.bytes(i) {
            Ok(bytes) => bytes,
            Err(e) => {
                seen.damaged.push(e.to_string());
                continue;
            }
        };
        let kind = match sniff(&bytes) {
            Some(Kind::Jpeg) => "JPEG",
            Some(Kind::Png) => "PNG",
            None => "of another kind",
        };
        *seen.kinds.entry(kind).or_default() += 1;
        match source.decoded(i, &bytes) {
            Ok(image) => {
                let size = Size::from([image.height, image.width]);
                *seen.sizes.entry(size).or_default() += 1;
            }
            Err(e) => seen.damaged.push(e.to_string()),
        }
    }
    Ok(seen)
}

/// How images or pairs are spread, a line each.
fn spread(description: &Description) -> Vec<String> {
    let per = |labels: &[u32], what: &str| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        labels
            .iter()
            .for_each(|l| *counts.entry(*l).or_default() += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable();
        let (Some(least), Some(most)) = (counts.first(), counts.last()) else {
            return Vec::new();
        };
        vec![format!(
            "pictures of a {what}: {least} to {most}, median {}",
            counts[counts.len() / 2]
        )]
    };
    match description {
        Description::Train(d) => per(&d.labels, "class"),
        Description::Identification(d) => per(&d.probe_ids, "probe's person"),
        Description::Gallery(d) => per(&d.gallery_ids, "person of the gallery"),
        Description::Pairs(d) => {
            let genuine = d.same.iter().filter(|s| **s).count();
            let folds = match &d.folds {
                Some(folds) => format!("{} folds are stated", 1 + folds.iter().max().unwrap_or(&0)),
                None => "folds are contiguous blocks".into(),
            };
            vec![format!(
                "{genuine} genuine and {} impostor pairs; {folds}",
                d.same.len() - genuine
            )]
        }
        Description::Templates(d) => vec![format!(
            "detector scores: {}",
            if d.detector.is_some() {
                "there"
            } else {
                "none"
            }
        )],
    }
}

/// Public sets whose published counts these are, or nearly.
fn resembles(
    set: &DataSet,
    images: u64,
    people: u64,
    counts: &BTreeMap<String, u64>,
) -> Result<Vec<String>> {
    let public = embedded::declarations(None)?;
    let mut out = Vec::new();
    for declared in public
        .iter()
        .filter(|d| d.format == set.description.format())
    {
        let here = |name: &str| match name {
            "images" => Some(images),
            "identities" => Some(people).filter(|n| *n > 0),
            other => counts.get(other).copied(),
        };
        let known: Vec<(&String, u64, u64)> = declared
            .counts
            .iter()
            .filter_map(|(name, published)| Some((name, *published, here(name)?)))
            .collect();
        let near = |(_, published, here): &&(&String, u64, u64)| {
            published.abs_diff(*here) * 20 <= *published
        };
        if known.is_empty() || known.iter().filter(near).count() < known.len() {
            continue;
        }
        let off: Vec<String> = known
            .iter()
            .filter(|(_, published, here)| published != here)
            .map(|(name, published, here)| format!("{name} {here}, published {published}"))
            .collect();
        out.push(match off.is_empty() {
            true => format!(
                "its counts are those of `{}` ({})",
                declared.name, declared.title
            ),
            false => format!("it resembles `{}`: {}", declared.name, off.join("; ")),
        });
    }
    Ok(out)
}
