//! What every entry of a table owes: the proof that it states, words, and a suite that uses it.

use crate::{backbones, head_formulas, losses_recomputed};
use frbench::backbone::BACKBONES;
use frbench::distill::DISTILL;
use frbench::head::HEADS;
use frbench::method::METHODS;
use frbench::method::derive::DERIVATIONS;
use frbench::protocol::PROTOCOLS;
use frbench::registry::{Info, Proof};
use frbench::suite::{parse, resolve};
use frbench::{embedded, parity};
use std::collections::BTreeSet;
use std::path::Path;

/// An entry by its name, and what computes it a second time and compares. It is given the name,
/// so that it builds what the line says.
pub type Recomputation = (&'static str, fn(&str));

/// The entries of one table.
struct Table {
    /// The family of their parity cases.
    family: &'static str,
    entries: Vec<(&'static Info, Proof)>,
    /// Computes the entry of that name a second time.
    recompute: fn(&str),
    /// Whether two entries are depths of one architecture.
    compare_depths: fn(&str, &str),
}

impl Table {
    fn is_proven(&self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity");
        let cases = parity::load(&[folder]).unwrap();
        let mut claimed = BTreeSet::new();
        // That the cases are met is tested where all of them are run.
        let mut has_case = |name: &str| {
            let op = format!("{}/{name}", self.family);
            assert!(cases.iter().any(|c| c.op == op), "no case of `{op}`");
            assert!(claimed.insert(op), "the cases of `{name}` prove two");
        };
        for (info, proof) in &self.entries {
            match *proof {
                Proof::Golden => has_case(info.name),
                Proof::GoldenAs(name) => has_case(name),
                Proof::Recomputed => (self.recompute)(info.name),
                Proof::DepthOf(other) => {
                    let like = self.entries.iter().find(|e| e.0.name == other);
                    let (_, its) = like.unwrap_or_else(|| panic!("there is no `{other}`"));
                    assert!(!matches!(its, Proof::DepthOf(_)), "`{other}` is no proof");
                    (self.compare_depths)(info.name, other);
                }
            }
        }
    }

    fn is_documented(&self) {
        for (info, _) in &self.entries {
            documented(info);
            assert!(info.source.len() > 20, "`{}` names its source", info.name);
        }
    }

    /// Every entry is used, or another depth of it, but for those that are here for networks which
    /// were trained elsewhere.
    fn is_in_a_suite(&self, used: &BTreeSet<String>) {
        let proven = |(info, proof): &(&'static Info, Proof)| match *proof {
            Proof::DepthOf(other) => other,
            _ => info.name,
        };
        let entries = self.entries.iter();
        let in_use = entries.filter(|(info, _)| used.contains(info.name));
        let in_use: BTreeSet<&str> = in_use.map(proven).collect();
        for entry in &self.entries {
            let name = proven(entry);
            if FOR_FILES.contains(&name) {
                assert!(!in_use.contains(name), "`{name}` is in a suite");
                continue;
            }
            assert!(in_use.contains(name), "`{name}` is in no suite");
        }
    }
}

/// Backbones that no suite trains: files of weights hold them.
const FOR_FILES: [&str; 5] = [
    "ir-18",
    "ir-50",
    "ir-se-50",
    "ir-50-treb1en",
    "ir-se-50-treb1en",
];

fn documented(info: &Info) {
    assert!(!info.source.is_empty(), "`{}`", info.name);
    assert!(!info.summary.is_empty(), "`{}`", info.name);
    let undocumented = info.params.iter().find(|p| p.doc.is_empty());
    assert!(undocumented.is_none(), "`{}`: {undocumented:?}", info.name);
}

/// Runs the line of a table of recomputations.
fn run_line(lines: &[Recomputation], name: &str) {
    let line = lines.iter().find(|l| l.0 == name);
    let (_, recompute) = line.unwrap_or_else(|| panic!("nothing recomputes `{name}`"));
    recompute(name);
}

fn no_depths(name: &str, _: &str) {
    panic!("`{name}` is no backbone");
}

/// Names that the rows of every profile of every suite of this build have.
#[derive(Default)]
struct Used {
    backbones: BTreeSet<String>,
    heads: BTreeSet<String>,
    losses: BTreeSet<String>,
}

fn used() -> Used {
    let known = embedded::catalogue(None).unwrap();
    let mut used = Used::default();
    for (name, text) in embedded::SUITES {
        let suite = parse(embedded::source(*name, *text)).unwrap();
        for profile in &suite.profiles {
            for row in resolve(&suite, &profile.id, &known).unwrap().rows {
                let trained = row.trained().unwrap();
                used.heads
                    .extend(trained.head.as_ref().map(|h| h.name.clone()));
                used.backbones.insert(row.backbone.name.clone());
                match trained.method.name.as_str() {
                    "distill" => {
                        let losses = trained.method.params["losses"].as_array().unwrap().iter();
                        let names = losses.map(|l| l["name"].as_str().unwrap().to_owned());
                        used.losses.extend(names);
                    }
                    "coupleface" => used.losses.extend(["fcd".to_owned(), "rad".to_owned()]),
                    _ => {}
                }
            }
        }
    }
    used
}

#[test]
fn every_head_is_proven_documented_and_in_a_suite() {
    let heads = Table {
        family: "head",
        entries: HEADS.iter().map(|h| (&h.info, h.proof)).collect(),
        recompute: head_formulas::recompute,
        compare_depths: no_depths,
    };
    heads.is_proven();
    heads.is_documented();
    for head in HEADS {
        let dated = (1990..2100).any(|y| head.info.source.contains(&y.to_string()));
        assert!(dated, "`{}` names its paper's year", head.info.name);
    }
    heads.is_in_a_suite(&used().heads);
}

#[test]
fn every_loss_is_proven_documented_and_in_a_suite() {
    let losses = Table {
        family: "distill",
        entries: DISTILL.iter().map(|d| (&d.info, d.proof)).collect(),
        recompute: |name| run_line(losses_recomputed::RECOMPUTED, name),
        compare_depths: no_depths,
    };
    losses.is_proven();
    losses.is_documented();
    losses.is_in_a_suite(&used().losses);
}

#[test]
fn every_architecture_is_proven_documented_and_in_a_suite() {
    let backbones = Table {
        family: "backbone",
        entries: BACKBONES.iter().map(|b| (&b.info, b.proof)).collect(),
        recompute: |name| run_line(backbones::RECOMPUTED, name),
        compare_depths: backbones::differ_in_depth_only,
    };
    backbones.is_proven();
    backbones.is_documented();
    backbones.is_in_a_suite(&used().backbones);
}

#[test]
fn methods_derivations_and_protocols_are_documented() {
    METHODS.iter().for_each(|m| documented(&m.info));
    DERIVATIONS.iter().for_each(|d| documented(&d.info));
    PROTOCOLS.iter().for_each(|p| documented(&p.info));
}
