//! `eval/*`: protocols, through the embedding files and the table that a suite scores with.
//!
//! Embeddings are final; where a `features_flip` is given, the views are added as the protocol
//! does. Rates and scores are f64 and compared by their largest difference.

use super::check::{Check, PROTOCOL};
use super::{Case, Family, Operation, lookup, open_set, rates, size};
use frbench_base::registry::{Args, Params};
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_eval::protocol::{self, EmbeddingWriter, Embeddings, Part, ScoreInput, Scored};
use frbench_eval::stats;
use frbench_job::artefact::Matrix;
use frbench_job::description::{GalleryData, IdentificationData, PairData, TemplateData};
use frbench_job::{Description, ProtocolSpec, Views};
use serde_json::json;
use std::path::Path;

pub(super) const FAMILY: Family = Family {
    name: "eval",
    find: |name| lookup(OPERATIONS, name),
    operations: || OPERATIONS.iter().map(|o| o.0).collect(),
};

/// Every protocol and what runs it: one line each.
static OPERATIONS: &[Operation] = &[
    ("det", rates::det),
    ("gallery", gallery),
    ("identification", identification),
    ("ijb-1n", open_set::ijb_search),
    ("open-set", open_set::open_set),
    ("template-verification", template_verification),
    ("verification", verification),
];

/// Accuracy in folds by a rule (`params.rule`, insightface's by default). `input.embeddings`
/// `[2 P, D]`: pair `i` is rows `2i` and `2i + 1`; `input.embeddings_flip` of the mirrors, where
/// `params.flip` says what the rule does with them; `input.issame` `[P]`.
fn verification(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["flip", "folds", "rule", "threshold_step", "thresholds"])?;
    let args = Args::new(&case.op, &case.params);
    let views_of = |rule: &str| {
        if rule == "face-pytorch" {
            "concat"
        } else {
            "add"
        }
    };
    let rule = args.text_or("rule", "insightface")?;
    match rule {
        "insightface" => stated(case, "threshold_step", &json!(0.01))?,
        "facex-zoo" => stated(case, "thresholds", &json!(1000))?,
        _ => {}
    }
    let images = case.matrix("input.embeddings")?;
    let (images, views) = match case.has("input.embeddings_flip") {
        true => {
            stated(case, "flip", &json!(views_of(rule)))?;
            let mirrors = case.matrix("input.embeddings_flip")?;
            (beside(case, &images, &mirrors)?, Views::Both)
        }
        false => (images, Views::Original),
    };
    let data = PairData::packed(case.flags("input.issame")?);
    let scored = score(
        case,
        take(case, &["folds", "rule"]),
        &[("images", images, views)],
        &Description::Pairs(data),
    )?;
    let accuracy = &scored.result.metrics[0];
    let mut checks = vec![
        Check::absolute(case, "expect.accuracy_mean", &[accuracy.value], PROTOCOL)?,
        Check::absolute(case, "expect.fold_accuracy", &accuracy.folds, PROTOCOL)?,
    ];
    // What follows the +- is the rule's own.
    let folds = accuracy.folds.len() as f64;
    let sd = stats::sample_sd(&accuracy.folds).unwrap_or(f64::NAN);
    let spread = [
        ("expect.accuracy_std", stats::population_sd(&accuracy.folds)),
        ("expect.accuracy_standard_error", sd / folds.sqrt()),
    ];
    for (tensor, value) in spread.into_iter().filter(|(tensor, _)| case.has(tensor)) {
        checks.push(Check::absolute(case, tensor, &[value], PROTOCOL)?);
    }
    if case.has("expect.threshold") {
        let thresholds = evidence_f64(&scored, "fold_threshold.npy")?;
        checks.push(Check::absolute(
            case,
            "expect.threshold",
            &thresholds,
            PROTOCOL,
        )?);
    }
    Ok(checks)
}

/// Probes and a gallery, TinyFace's form. `input.probe` `[N, D]` with `input.probe_id` `[N]`,
/// `input.gallery` `[G, D]` with `input.gallery_id` `[G]`, `input.distractor` `[M, D]`.
fn gallery(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["ranks", "ties"])?;
    stated(case, "ties", &json!("against the probe"))?;
    let (probes, _) = case.shape2("input.probe")?;
    let (gallery, _) = case.shape2("input.gallery")?;
    let (distractors, _) = case.shape2("input.distractor")?;
    let others = gallery.saturating_add(distractors);
    size::check(
        case,
        &[("scores of probes and gallery", 8, &[probes, others])],
    )?;
    let data = GalleryData {
        probe_ids: case.u32("input.probe_id")?,
        gallery_ids: case.u32("input.gallery_id")?,
        distractors,
        ..GalleryData::default()
    };
    let scored = score_as(
        "gallery-identification",
        take(case, &["ranks"]),
        &[
            ("probes", case.matrix("input.probe")?, Views::Sum),
            ("gallery", case.matrix("input.gallery")?, Views::Sum),
            ("distractors", case.matrix("input.distractor")?, Views::Sum),
        ],
        &Description::Gallery(data),
    )?;
    let ranks = Check::absolute(case, "expect.rank", &values(&scored, "rank-", ""), PROTOCOL)?;
    Ok(vec![ranks])
}

/// IJB, 1:1. `input.features` `[N, D]` and `input.features_flip`, `input.template` and
/// `input.media` `[N]`, pairs of templates `input.pair_a`, `input.pair_b` and `input.label`
/// `[P]`; `input.detector_score` `[N]` where `params.detector_score` is set.
fn template_verification(case: &Case) -> Result<Vec<Check>> {
    let known = [
        "detector_score",
        "far_selection",
        "fars",
        "flip",
        "norm_score",
    ];
    case.only_params(&known)?;
    let (images, views) = with_mirrors(case, "input.features")?;
    let detector = case.has("input.detector_score");
    let data = TemplateData {
        template: case.u32("input.template")?,
        media: case.u32("input.media")?,
        detector: match detector {
            true => Some(case.f32("input.detector_score")?),
            false => None,
        },
        pair_a: case.u32("input.pair_a")?,
        pair_b: case.u32("input.pair_b")?,
        same: case.flags("input.label")?,
        ..TemplateData::default()
    };
    // The scripts' `use_norm_score` keeps an embedding's length as its weight.
    let kept = Args::new(&case.op, &case.params).bool_or("norm_score", true)?;
    let mut params = take(case, &["detector_score", "far_selection", "fars"]);
    params.insert("norm".into(), json!(if kept { "keep" } else { "unit" }));
    let scored = score(
        case,
        params,
        &[("images", images, views)],
        &Description::Templates(data),
    )?;
    let scores = evidence_f64(&scored, "pair_scores.npy")?;
    Ok(vec![
        Check::absolute(case, "expect.scores", &scores, PROTOCOL)?,
        Check::absolute(case, "expect.tar", &values(&scored, "tar@", ""), PROTOCOL)?,
    ])
}

/// The only rule for false accept rates that the protocol has.
const FAR_RULE: &str =
    "accept strictly above the (floor(far*impostors)+1)-th highest impostor score";

/// MegaFace challenge 1. `input.probe` `[N, D]` with `input.probe_id` `[N]`,
/// `input.distractor` `[M, D]`.
fn identification(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["far_rule", "fars", "ranks"])?;
    stated(case, "far_rule", &json!(FAR_RULE))?;
    let (probes, _) = case.shape2("input.probe")?;
    let (distractors, _) = case.shape2("input.distractor")?;
    size::check(
        case,
        &[
            ("pairs of probes", 8, &[probes, probes]),
            (
                "scores of probes and distractors",
                2,
                &[probes, distractors],
            ),
        ],
    )?;
    let data = IdentificationData {
        probe_ids: case.u32("input.probe_id")?,
        ..IdentificationData::default()
    };
    let scored = score(
        case,
        take(case, &["fars", "ranks"]),
        &[
            ("probes", case.matrix("input.probe")?, Views::Sum),
            ("distractors", case.matrix("input.distractor")?, Views::Sum),
        ],
        &Description::Identification(data),
    )?;
    Ok(vec![
        Check::absolute(case, "expect.rank", &values(&scored, "rank-", ""), PROTOCOL)?,
        Check::absolute(case, "expect.tar", &values(&scored, "tar@", ""), PROTOCOL)?,
    ])
}

/// Scores matrices by the protocol that the case's operation is called after.
fn score(
    case: &Case,
    params: Params,
    parts: &[(&'static str, Matrix<f32>, Views)],
    data: &Description,
) -> Result<Scored> {
    score_as(case.operation(), params, parts, data)
}

/// Scores matrices as a suite's jobs do: through files.
pub(super) fn score_as(
    protocol: &str,
    params: Params,
    parts: &[(&'static str, Matrix<f32>, Views)],
    data: &Description,
) -> Result<Scored> {
    let folder = tempfile::tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?;
    let written: Vec<_> = parts
        .iter()
        .map(|(name, matrix, views)| Ok((*name, write(folder.path(), name, matrix)?, *views)))
        .collect::<Result<_>>()?;
    let parts = written
        .iter()
        .map(|(name, matrix, views)| {
            let views = *views;
            (*name, Part { matrix, views })
        })
        .collect();
    let spec = ProtocolSpec {
        name: protocol.to_owned(),
        params,
    };
    frbench_base::registry::check(&protocol::find(&spec.name)?.info, &spec.params)?;
    protocol::score(
        &spec,
        &ScoreInput {
            parts,
            data,
            device: Device::CPU,
        },
    )
}

fn write(folder: &Path, name: &str, matrix: &Matrix<f32>) -> Result<Embeddings> {
    let path = folder.join(name);
    let mut writer = EmbeddingWriter::create(&path, matrix.cols)?;
    writer.append(&matrix.data)?;
    writer.finish()?;
    Embeddings::open(&path)
}

/// The images `tensor`, and their mirrors beside them where the case has `TENSOR_flip`, which are
/// added.
pub(super) fn with_mirrors(case: &Case, tensor: &str) -> Result<(Matrix<f32>, Views)> {
    let images = case.matrix(tensor)?;
    let flip = format!("{tensor}_flip");
    if !case.has(&flip) {
        return Ok((images, Views::Original));
    }
    stated(case, "flip", &json!("add"))?;
    let mirrors = case.matrix(&flip)?;
    Ok((beside(case, &images, &mirrors)?, Views::Both))
}

/// Images and their mirrors side by side.
fn beside(case: &Case, images: &Matrix<f32>, mirrors: &Matrix<f32>) -> Result<Matrix<f32>> {
    if (images.rows, images.cols) != (mirrors.rows, mirrors.cols) {
        return Err(case.wrong(
            "input.features_flip",
            "has another shape than `input.features`",
        ));
    }
    let rows = (0..images.rows).map(|i| [images.row(i), mirrors.row(i)].concat());
    Ok(Matrix {
        rows: images.rows,
        cols: 2 * images.cols,
        data: rows.flatten().collect(),
    })
}

/// Those parameters of the case that go by the same name in a suite.
pub(super) fn take(case: &Case, names: &[&str]) -> Params {
    let of = |name: &&str| Some(((*name).to_owned(), case.params.get(*name)?.clone()));
    names.iter().filter_map(of).collect()
}

/// Refuses a case whose parameter `name` is not what the protocol does.
pub(super) fn stated(case: &Case, name: &str, ours: &serde_json::Value) -> Result<()> {
    match case.params.get(name) {
        Some(theirs) if theirs != ours => Err(Error::Usage(format!(
            "`{}`: `{name}` is {theirs}, but the protocol has {ours}",
            case.op
        ))),
        _ => Ok(()),
    }
}

/// The metrics whose id starts and ends so, in their order.
pub(super) fn values(scored: &Scored, prefix: &str, suffix: &str) -> Vec<f64> {
    let metrics = scored.result.metrics.iter();
    let wanted = metrics.filter(|m| m.id.starts_with(prefix) && m.id.ends_with(suffix));
    wanted.map(|m| m.value).collect()
}

/// The values of a one-dimensional NumPy file of f64 that a protocol left as evidence.
pub(super) fn evidence_f64(scored: &Scored, name: &str) -> Result<Vec<f64>> {
    let bug = || Error::Bug(format!("the protocol left no `{name}` of f64"));
    let (_, bytes) = scored
        .evidence
        .iter()
        .find(|e| e.0 == name)
        .ok_or_else(bug)?;
    let length = bytes.get(8..10).ok_or_else(bug)?;
    let header = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let data = bytes.get(header..).ok_or_else(bug)?;
    Ok(data
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| f64::from_le_bytes(*b))
        .collect())
}
