//! The suites that the program carries: valid, and what they promise.

use crate::tiny::cpu;
use crate::tiny::{is_ordered, resolved};
use frbench::embedded;
use frbench::job::ProtocolSpec;
use frbench::key::Key;
use frbench::plan::{Known, outlook};
use frbench::protocol::{PROTOCOLS, ProtocolEntry};
use frbench::registry::Kind;
use frbench::suite::resolve::Row;
use frbench::suite::{Resolved, parse, resolve, validate};
use std::collections::BTreeMap;

fn text(suite: &str) -> &'static str {
    let found = embedded::SUITES.iter().find(|(name, _)| *name == suite);
    found.expect(suite).1
}

/// The profile `demo`, with identities as they are pinned.
fn demo(suite: &str) -> Resolved {
    let suite = parse(embedded::source(suite, text(suite))).unwrap();
    resolve(&suite, "demo", &embedded::catalogue(None).unwrap()).unwrap()
}

#[test]
fn every_embedded_suite_is_valid_in_every_profile() {
    let known = embedded::catalogue(None).unwrap();
    for (name, text) in embedded::SUITES {
        let suite = parse(embedded::source(*name, *text)).unwrap();
        validate(&suite, &known).unwrap();
        assert_eq!(suite.name, *name);
        for profile in &suite.profiles {
            let round = outlook(
                &resolve(&suite, &profile.id, &known).unwrap(),
                &Known::default(),
                &cpu(),
            );
            assert!(is_ordered(&round.jobs), "{name} {}", profile.id.value);
        }
    }
}

#[test]
fn the_heads_suite_drops_and_retrains() {
    let full = resolved(text("heads"), "full");
    let kept = full.rows.iter().find(|r| r.keep.is_some()).unwrap();
    let keep = kept.keep.unwrap();
    let judge = &full.rows[keep.by];
    assert_eq!(keep.degrees, 75.0);
    assert_eq!(
        judge.trained().unwrap().head.as_ref().unwrap().name,
        "subcenter-arcface"
    );
    // The paper's second training has one centre per class and the same margin.
    let head = kept.trained().unwrap().head.as_ref().unwrap();
    assert_eq!(head.name, "arcface");
    for constant in ["s", "m"] {
        let of =
            |row: &Row| row.trained().unwrap().head.as_ref().unwrap().params[constant].as_f64();
        assert_eq!(of(kept), of(judge), "{constant}");
    }
    assert_eq!(
        (&kept.trained().unwrap().schedule, &kept.backbone),
        (&judge.trained().unwrap().schedule, &judge.backbone)
    );
    assert_eq!(kept.seeds, judge.seeds);
}

#[test]
fn coupleface_demo_trains_what_it_promises() {
    let demo = demo("coupleface");
    let rows: Vec<(&str, usize)> = demo
        .rows
        .iter()
        .map(|r| (r.id.as_str(), r.seeds.len()))
        .collect();
    assert_eq!(
        rows,
        [
            ("teacher", 1),
            ("student", 3),
            ("fcd", 3),
            ("coupleface", 3),
            ("coupleface-plus", 3)
        ]
    );
    let students = || demo.rows.iter().skip(1);
    // Compared methods train the same network on the same images in the same batches; those
    // that learn from the teacher, at the same rates, too.
    let material = |r: &Row| {
        (
            r.backbone.clone(),
            r.input.clone(),
            r.trained().unwrap().schedule.length,
            r.trained().unwrap().schedule.decay.clone(),
            r.trained().unwrap().batch,
            r.trained().unwrap().flip,
        )
    };
    assert!(students().all(|r| material(r) == material(&demo.rows[1])));
    let distilled = || students().skip(1);
    assert!(distilled().all(|r| {
        let first = &demo.rows[2];
        (
            &r.trained().unwrap().schedule,
            &r.trained().unwrap().optimizer,
        ) == (
            &first.trained().unwrap().schedule,
            &first.trained().unwrap().optimizer,
        )
    }));
    assert!(students().all(|r| r.backbone.embedding == demo.rows[0].backbone.embedding));
}

/// What both demos have in common is one job: whoever ran one has most of the other.
#[test]
fn the_distillation_demo_shares_its_networks_with_coupleface() {
    let jobs = |suite: &str| -> BTreeMap<String, Key> {
        let jobs = outlook(&demo(suite), &Known::default(), &cpu()).jobs;
        jobs.into_iter().map(|j| (j.label, j.key)).collect()
    };
    let (theirs, ours) = (jobs("coupleface"), jobs("distillation"));
    for row in ["teacher", "student", "fcd", "coupleface"] {
        let of_row = |label: &&String| label.contains(&format!(" {row} seed"));
        let shared: Vec<&String> = theirs.keys().filter(of_row).collect();
        assert!(shared.iter().any(|l| l.starts_with("train")), "{row}");
        assert!(shared.iter().any(|l| l.starts_with("score")), "{row}");
        for label in shared {
            assert_eq!(theirs.get(label), ours.get(label), "{label}");
        }
    }
    let trained = |jobs: &BTreeMap<String, Key>| -> usize {
        jobs.keys().filter(|l| l.starts_with("train")).count()
    };
    // The teacher, and six students of three seeds.
    assert_eq!(trained(&ours), 1 + 6 * 3);
}

/// A margin is set before there are data: it comes from what was published, and says where it is.
#[test]
fn every_claim_states_a_margin_and_its_terms() {
    for (name, text) in embedded::SUITES {
        let suite = parse(embedded::source(*name, *text)).unwrap();
        let mut primary = 0;
        for claim in &suite.claims {
            let id = format!("{name}: {}", claim.id.value);
            let stated = claim.margin_source.as_deref().unwrap_or_default();
            assert!(claim.margin > 0.0 && claim.why.is_some(), "{id}");
            // At most half of the effect that is named, in points.
            if let Some((_, rest)) = stated.split_once("half of +") {
                let effect: f64 = rest.split(' ').next().unwrap().parse().unwrap();
                assert!(100.0 * claim.margin <= effect / 2.0 + 1e-9, "{id}");
            } else {
                assert!(stated.contains("control"), "{id}: {stated}");
            }
            primary += usize::from(claim.primary);
            assert!(!claim.question || claim.primary, "{id}");
        }
        // It compares nothing.
        if *name == "protocols" {
            assert!(suite.claims.is_empty());
            continue;
        }
        let questions = suite.claims.iter().filter(|c| c.question).count();
        assert!(
            questions <= 1 && (1..=5).contains(&primary),
            "{name}: {primary}"
        );
    }
}

/// More watched values would raise more false alarms; METHODOLOGY.md says how many there are.
#[test]
fn every_suite_has_nights_and_together_they_watch_a_dozen_values() {
    let known = embedded::catalogue(None).unwrap();
    let mut watched = 0;
    for (name, text) in embedded::SUITES {
        let suite = parse(embedded::source(*name, *text)).unwrap();
        // What is about the instrument is run where that changes.
        if ["controls", "protocols"].contains(name) {
            assert!(suite.gates.is_empty());
            continue;
        }
        let nightly = resolve(&suite, "nightly", &known).unwrap();
        assert!(!nightly.gates.is_empty(), "{name}");
        // A gate is of one value; none of the suite is left out.
        assert_eq!(nightly.gates.len(), suite.gates.len(), "{name}");
        for gate in &nightly.gates {
            assert!(gate.tolerance > 0.0 && !gate.why.is_empty(), "{}", gate.id);
        }
        let sizes = nightly
            .rows
            .iter()
            .map(|r| r.input.size.height.max(r.input.size.width));
        assert!(sizes.max() <= Some(32), "{name}");
        watched += nightly.gates.len();
    }
    assert!(watched <= frbench::gate::procedure::PRIMARIES, "{watched}");
}

/// The values of a protocol's parameter `rule`, if it has one.
fn rules(protocol: &ProtocolEntry) -> &'static [&'static str] {
    let rule = protocol.info.params.iter().find(|p| p.name == "rule");
    match rule.map(|p| p.kind) {
        Some(Kind::Choice(names)) => names,
        _ => &[],
    }
}

#[test]
fn the_protocols_suite_names_every_protocol_and_rule() {
    let demo = demo("protocols");
    for protocol in PROTOCOLS {
        let named: Vec<&ProtocolSpec> = demo
            .columns
            .iter()
            .map(|c| &c.spec)
            .filter(|spec| spec.name == protocol.info.name)
            .collect();
        assert!(!named.is_empty(), "{}", protocol.info.name);
        for rule in rules(protocol) {
            let has = |spec: &&ProtocolSpec| spec.params["rule"].as_str() == Some(rule);
            assert!(named.iter().any(has), "{}: {rule}", protocol.info.name);
        }
    }
}

/// docs/protocols.md has a card of every protocol, with every rule.
#[test]
fn every_protocol_has_a_card() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocols.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cards: BTreeMap<&str, &str> = text
        .split("\n## ")
        .skip(1)
        .filter_map(|card| {
            let name = card.strip_prefix('`')?.split_once('`')?.0;
            Some((name, card))
        })
        .collect();
    for protocol in PROTOCOLS {
        let name = protocol.info.name;
        let card = cards
            .get(name)
            .unwrap_or_else(|| panic!("no card of {name}"));
        for row in [
            "score",
            "thresholds",
            "ties",
            "who uses it",
            "what it is not",
        ] {
            assert!(card.contains(&format!("\n| {row} | ")), "{name}: {row}");
        }
        for rule in rules(protocol) {
            assert!(card.contains(&format!("`{rule}`")), "{name}: {rule}");
        }
    }
    assert_eq!(cards.len(), PROTOCOLS.len(), "a card of no protocol");
}

#[test]
fn a_gate_must_be_about_what_is_measured() {
    let gate = |entry: &str, on: &str, metric: &str| {
        let text = format!(
            "{}\n[[gate]]\nid = \"g\"\nentry = \"{entry}\"\non = \"{on}\"\nmetric = \"{metric}\"\n\
             tolerance = 0.01\nwhy = \"a test\"\n",
            crate::tiny::TINY
        );
        let suite = parse(embedded::source("tiny.toml", text)).unwrap();
        let known = embedded::catalogue(None).unwrap();
        match validate(&suite, &known) {
            Ok(()) => format!(
                "{} gates",
                resolve(&suite, "demo", &known).unwrap().gates.len()
            ),
            Err(e) => e.to_string().lines().next().unwrap().to_string(),
        }
    };
    assert_eq!(gate("fcd", "synth-lfw", "accuracy"), "1 gates");
    for (entry, on, metric, says) in [
        ("fdc", "synth-lfw", "accuracy", "unknown entry `fdc`"),
        (
            "fcd",
            "synth-lfv",
            "accuracy",
            "no profile evaluates `synth-lfv`",
        ),
        ("fcd", "synth-lfw", "rank-1", "unknown metric `rank-1`"),
    ] {
        let said = gate(entry, on, metric);
        assert!(
            said.contains(says) && said.starts_with("tiny.toml:"),
            "{said}"
        );
    }
}
