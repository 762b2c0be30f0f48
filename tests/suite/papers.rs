//! The `paper` profiles: what their sources state. `tests/cli` has a snapshot of each as it is
//! shown; here is what a reader of the sources would look for.

use candle_core::{Device, Tensor};
use frbench::embedded;
use frbench::head::{self, HeadInput};
use frbench::job::{Color, Decay, HeadSpec, Length};
use frbench::suite::Resolved;
use frbench::suite::resolve::Row;
use frbench::suite::{parse, resolve};
use serde_json::json;

fn paper(suite: &str) -> Resolved {
    let text = embedded::SUITES.iter().find(|(name, _)| *name == suite);
    let suite = parse(embedded::source(suite, text.unwrap().1)).unwrap();
    resolve(&suite, "paper", &embedded::catalogue(None).unwrap()).unwrap()
}

/// The only row of an entry, or its first.
fn row<'a>(suite: &'a Resolved, entry: &str) -> &'a Row {
    let found = suite.rows.iter().find(|r| r.entry == entry);
    found.unwrap_or_else(|| panic!("no row of `{entry}`"))
}

/// Data sets with their protocols, and the rule of those that have one.
fn columns(suite: &Resolved) -> Vec<String> {
    let of = |c: &frbench::suite::resolve::Column| match c.spec.params.get("rule") {
        Some(rule) => format!("{} {}", c.data.name, rule.as_str().unwrap()),
        None => c.data.name.clone(),
    };
    suite.columns.iter().map(of).collect()
}

/// Epochs, milestones, factor.
fn steps(row: &Row) -> (f64, Vec<f64>, f64) {
    match (
        &row.trained().unwrap().schedule.length,
        &row.trained().unwrap().schedule.decay,
    ) {
        (Length::Epochs(epochs), Decay::Step { milestones, gamma }) => {
            (*epochs, milestones.clone(), *gamma)
        }
        other => panic!("{other:?}"),
    }
}

const BOUNDARYFACE_SETS: [&str; 10] = [
    "lfw face-pytorch",
    "agedb-30 face-pytorch",
    "cfp-fp face-pytorch",
    "calfw face-pytorch",
    "cplfw face-pytorch",
    "sllfw face-pytorch",
    "rfw-asian face-pytorch",
    "rfw-caucasian face-pytorch",
    "rfw-indian face-pytorch",
    "rfw-african face-pytorch",
];

/// Nesterov's momentum, all parameters decayed, flips, no image dropped, BGR.
fn as_in_face_pytorch(row: &Row) {
    let o = &row.trained().unwrap().optimizer;
    assert!(
        o.nesterov
            && !o.spare_norms
            && row.trained().unwrap().flip
            && row.trained().unwrap().keep_last
    );
    assert_eq!((o.momentum, o.weight_decay, o.clip), (0.9, 5e-4, None));
    assert_eq!(
        (
            row.trained().unwrap().schedule.lr,
            row.trained().unwrap().schedule.warmup
        ),
        (0.1, 0.0)
    );
    assert_eq!(row.input.color, Color::Bgr);
    assert_eq!(
        (row.input.mean, row.input.std, row.input.size),
        (0.5, 0.5, 112.into())
    );
    assert_eq!(row.backbone.params["dropout"], json!(0.4));
    assert_eq!(row.backbone.embedding, 512);
}

#[test]
fn heads_are_compared_on_noisy_ms1m() {
    let suite = paper("heads");
    let on = |name: &str| -> Vec<&str> {
        let rows = suite
            .rows
            .iter()
            .filter(|r| r.trained().unwrap().data.name == name);
        rows.map(|r| r.entry.as_str()).collect()
    };
    let all = [
        "arcface",
        "mv-arc-fixed",
        "curricularface",
        "boundary-f1",
        "boundaryface",
    ];
    assert_eq!(on("ms1m"), all);
    assert_eq!(on("ms1mv2"), ["arcface-ms1mv2", "boundaryface-ms1mv2"]);
    for row in &suite.rows {
        as_in_face_pytorch(row);
        assert_eq!(row.backbone.name, "res50-ir");
        assert_eq!(
            (
                row.trained().unwrap().batch,
                row.trained().unwrap().bn_group
            ),
            (8 * 32, 32)
        );
        assert_eq!(steps(row), (24.0, vec![10.0, 18.0, 22.0], 0.1));
        let head = row.trained().unwrap().head.as_ref().unwrap();
        assert_eq!(head.params["s"].as_f64(), Some(32.0), "{}", row.id);
        assert_eq!(head.params["m"].as_f64(), Some(0.5), "{}", row.id);
    }
    for entry in ["boundary-f1", "boundaryface", "boundaryface-ms1mv2"] {
        let head = row(&suite, entry).trained().unwrap().head.as_ref().unwrap();
        assert_eq!(head.params["epoch_start"], json!(11), "{entry}");
    }
    let mut want: Vec<&str> = BOUNDARYFACE_SETS.into();
    want.extend(["megaface-r", "ijb-c"]);
    assert_eq!(columns(&suite), want);
}

/// The authors count epochs from 0 and correct in those above 10: the twelfth is the first.
#[test]
fn correction_on_ms1m_begins_with_the_twelfth_epoch() {
    for name in ["boundary-f1", "boundaryface"] {
        let entry = head::HEADS.iter().find(|h| h.info.name == name).unwrap();
        let preset = entry.presets.iter().find(|p| p.name == "ms1m").unwrap();
        let spec = HeadSpec {
            name: name.into(),
            params: preset.params(),
        };
        let mut head = head::build(&spec).unwrap();
        // An image of class 1 under the name of class 0.
        let embeddings = Tensor::new(&[[0.0f32, 1.0]], &Device::Cpu).unwrap();
        let weight = Tensor::new(&[[1.0f32, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
        let mut labels = |epoch: u64| {
            let input = HeadInput {
                embeddings: &embeddings,
                weight: &weight,
                weight_grad: None,
                labels: &[0],
                logits: false,
                epoch,
                step: 0,
            };
            head.forward(&input).unwrap().labels
        };
        assert_eq!((labels(11), labels(12)), (None, Some(vec![1])), "{name}");
    }
}

#[test]
fn boundaryface_is_trained_and_tested_as_its_code_does() {
    let suite = paper("boundaryface");
    for row in &suite.rows {
        as_in_face_pytorch(row);
        assert_eq!(row.backbone.name, "res50-ir");
        assert_eq!(
            (
                row.trained().unwrap().batch,
                row.trained().unwrap().bn_group
            ),
            (64, 64)
        );
        assert_eq!(steps(row), (30.0, vec![5.0, 11.0, 18.0], 0.1));
        if row.entry.starts_with("boundary") {
            let head = row.trained().unwrap().head.as_ref().unwrap();
            assert_eq!(head.params["epoch_start"], json!(7), "{}", row.id);
        }
    }
    assert_eq!(columns(&suite), BOUNDARYFACE_SETS);
    let casia = embedded::declarations(None).unwrap();
    let casia = casia.get("casia-webface").unwrap();
    assert_eq!(casia.counts["identities"], 10_572);
    // The last of an epoch's batches is a whole one but for an image.
    let pass = row(&suite, "arcface")
        .trained()
        .unwrap()
        .pass(casia.counts["images"])
        .unwrap();
    assert_eq!((pass.steps, pass.last), (490_623_u64.div_ceil(64), 63));
}

#[test]
fn askd_is_trained_as_its_code_does() {
    let suite = paper("askd");
    for row in suite.rows.iter().filter(|r| !r.seeds.is_empty()) {
        as_in_face_pytorch(row);
        assert_eq!(row.backbone.name, "cbam-iresnet50");
        assert_eq!(
            (
                row.trained().unwrap().batch,
                row.trained().unwrap().bn_group
            ),
            (128, 128)
        );
        assert_eq!(steps(row), (20.0, vec![5.0, 10.0, 14.0, 16.0], 0.1));
    }
    assert_eq!(columns(&suite), ["agedb-30 face-pytorch", "tinyface"]);
}

#[test]
fn ekd_is_trained_as_its_code_does() {
    let suite = paper("distillation");
    let ekd = row(&suite, "ekd");
    let balanced = ekd.trained().unwrap().balanced.unwrap();
    // Of the 8 x (32 + 32) images of a step the head sees the first half.
    assert_eq!(ekd.trained().unwrap().batch, 8 * (32 + 32));
    assert_eq!((balanced.images, balanced.per_identity), (8 * 32, 4));
    assert!(balanced.unclassified);
    // Its epochs show all images among the random ones: two of ours each.
    let twice = |epochs: f64| 2.0 * epochs;
    assert_eq!(
        steps(ekd),
        (twice(26.0), [10.0, 18.0, 22.0].map(twice).into(), 0.1)
    );
    for row in &suite.rows {
        if let Some(head) = &row.trained().unwrap().head {
            assert_eq!(head.params["m"].as_f64(), Some(0.4), "{}", row.id);
            assert_eq!(head.params["s"].as_f64(), Some(64.0), "{}", row.id);
        }
        assert_eq!(
            (
                row.trained().unwrap().schedule.lr,
                row.trained().unwrap().optimizer.momentum
            ),
            (0.1, 0.9)
        );
        assert!(!row.trained().unwrap().optimizer.nesterov);
        // Names of the teacher's batch norms hide them from the released code.
        assert_eq!(
            row.trained().unwrap().optimizer.spare_norms,
            row.entry != "teacher",
            "{}",
            row.id
        );
        assert_eq!(row.input.color, Color::Rgb);
    }
    for entry in ["triplet-distillation", "margin-distillation"] {
        assert!(row(&suite, entry).teacher.is_some());
    }
    assert!(
        row(&suite, "margin-distillation")
            .trained()
            .unwrap()
            .head
            .is_none()
    );
    let want = [
        "lfw insightface",
        "cfp-fp insightface",
        "cplfw insightface",
        "agedb-30 insightface",
        "calfw insightface",
        "ijb-b",
        "ijb-c",
        "megaface-r",
        "megaface",
    ];
    assert_eq!(columns(&suite), want);
}

#[test]
fn what_a_paper_profile_wants_is_declared() {
    let declared = embedded::declarations(None).unwrap();
    // Those of the instrument are of no paper.
    let instrument = ["controls", "protocols"];
    let suites = embedded::SUITES.iter();
    for (name, _) in suites.filter(|s| !instrument.contains(&s.0)) {
        let suite = paper(name);
        let trained = suite
            .rows
            .iter()
            .map(|r| match &r.trained().unwrap().data.source {
                frbench::job::DataSource::Noisy(noisy) => noisy.base.name.as_str(),
                _ => r.trained().unwrap().data.name.as_str(),
            });
        let tested = suite.columns.iter().map(|c| c.data.name.as_str());
        for set in trained.chain(tested) {
            assert!(declared.get(set).is_some(), "{name}: `{set}`");
        }
    }
}

/// The refined figures of MegaFace need the lists of what is left out.
#[test]
fn the_refined_megaface_wants_its_noise_lists() {
    let declared = embedded::declarations(None).unwrap();
    let (plain, refined) = (
        declared.get("megaface").unwrap(),
        declared.get("megaface-r").unwrap(),
    );
    let missing: Vec<&String> = refined
        .files
        .iter()
        .filter(|f| !plain.files.contains(f))
        .collect();
    assert_eq!(missing, ["facescrub_noises.txt", "megaface_noises.txt"]);
    assert_eq!(
        plain.optional,
        ["facescrub_noises.txt", "megaface_noises.txt"]
    );
}
