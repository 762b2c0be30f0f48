//! `eval/open-set` and `eval/ijb-1n`: search among people some of whom nobody has enrolled.

use super::check::{Check, PROTOCOL};
use super::protocol::{evidence_f64, score_as, stated, take, values, with_mirrors};
use super::{Case, size};
use frbench_base::registry::Args;
use frbench_base::{Error, Result};
use frbench_eval::protocol::watchlist::{self, Answer, Answers, Point};
use frbench_job::Description;
use frbench_job::description::{SearchData, TemplateData, TemplateList};
use serde_json::json;

/// TPIR at FAR and rank, by bob's rule. `input.scores` `[P, G]`, `input.probe_id` `[P]` and
/// `input.gallery_id` `[G]`; a person may be enrolled more than once.
pub(super) fn open_set(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["accept", "far_rule", "fars", "ranks", "ties"])?;
    stated(case, "accept", &json!("score >= threshold"))?;
    stated(case, "far_rule", &json!("at-most"))?;
    stated(case, "ties", &json!("against the probe"))?;
    let args = Args::new(&case.op, &case.params);
    let fars = args.floats("fars")?;
    if let Some(bad) = fars.iter().find(|f| !(0.0..=1.0).contains(*f)) {
        let what = format!(
            "`{}`: rate {bad} in `fars`, want rates from 0 to 1",
            case.op
        );
        return Err(Error::Usage(what));
    }
    let ranks = frbench_eval::protocol::ranks(&args, &[])?;
    let (probes, enrolled) = case.shape2("input.scores")?;
    size::check(case, &[("scores", 3, &[probes, enrolled])])?;
    let scores = case.f64("input.scores")?;
    let ids = |tensor: &str, want: usize| {
        let ids = case.u32(tensor)?;
        match ids.len() == want {
            true => Ok(ids),
            false => Err(case.wrong(tensor, &format!("has {} ids, want {want}", ids.len()))),
        }
    };
    let probe_ids = ids("input.probe_id", probes)?;
    let gallery_ids = ids("input.gallery_id", enrolled)?;
    if let Some(i) = scores.iter().position(|s| !s.is_finite()) {
        let what = format!("holds {} at place {i}, want finite numbers", scores[i]);
        return Err(case.wrong("input.scores", &what));
    }
    let answer = |(row, &person): (&[f64], &u32)| {
        let scores = gallery_ids.iter().copied().zip(row.iter().copied());
        Answer::of(person, scores)
    };
    let answers = scores.chunks(enrolled).zip(&probe_ids).map(answer);
    let answers = Answers::new(answers.collect())?;
    let bob = watchlist::rule("bob")?;
    let points: Vec<Point> = fars.iter().map(|far| answers.at(*far, bob)).collect();
    let tpir = points
        .iter()
        .flat_map(|point| ranks.iter().map(|&rank| answers.tpir(point, rank)));
    let of = |value: fn(&Point) -> f64| points.iter().map(value).collect::<Vec<f64>>();
    let ranked: Vec<f64> = ranks.iter().map(|&rank| answers.rank(rank)).collect();
    [
        ("expect.threshold", of(|p| p.threshold)),
        ("expect.far", of(Point::attained)),
        ("expect.dir", tpir.collect()),
        ("expect.rank", ranked),
    ]
    .into_iter()
    .map(|(tensor, got)| Check::absolute(case, tensor, &got, PROTOCOL))
    .collect()
}

/// IJB, 1:N. `input.features` `[N, D]` and `input.features_flip`, `input.template` and `input.media`
/// `[N]`; `input.detector_score` `[N]` where `params.detector_score` is set. Of each gallery
/// `input.gallery_1.template` and `.subject`, of the probes `input.probe.template` and `.subject`.
pub(super) fn ijb_search(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["detector_score", "flip", "fpirs", "norm_score", "ranks"])?;
    let (images, views) = with_mirrors(case, "input.features")?;
    let list = |name: &str| -> Result<TemplateList> {
        let of = |what: &str| case.u32(&format!("input.{name}.{what}"));
        Ok(TemplateList {
            templates: of("template")?,
            subjects: of("subject")?,
        })
    };
    let data = TemplateData {
        template: case.u32("input.template")?,
        media: case.u32("input.media")?,
        detector: match case.has("input.detector_score") {
            true => Some(case.f32("input.detector_score")?),
            false => None,
        },
        search: Some(SearchData {
            galleries: vec![list("gallery_1")?, list("gallery_2")?],
            probes: list("probe")?,
        }),
        ..TemplateData::default()
    };
    // In `ijb_evals.py` the `use_norm_score` removes lengths, which in `ijb_11.py` keeps them.
    let unit = Args::new(&case.op, &case.params).bool_or("norm_score", false)?;
    let mut params = take(case, &["detector_score", "fpirs", "ranks"]);
    let weighed = json!(case.has("input.detector_score"));
    params.entry("detector_score".into()).or_insert(weighed);
    params.insert("norm".into(), json!(if unit { "unit" } else { "keep" }));
    params.insert("rule".into(), json!("insightface"));
    params.insert("resamples".into(), json!(0));
    let parts = [("images", images, views)];
    let scored = score_as(
        "template-identification",
        params,
        &parts,
        &Description::Templates(data),
    )?;
    let whole = |prefix: &str| {
        let all = scored.result.metrics.iter();
        let of = all.filter(|m| m.id.starts_with(prefix) && !m.id.contains('/'));
        of.map(|m| m.value).collect::<Vec<f64>>()
    };
    let mut checks = vec![
        Check::absolute(case, "expect.rank", &whole("rank-"), PROTOCOL)?,
        Check::absolute(case, "expect.tpir", &whole("tpir@"), PROTOCOL)?,
    ];
    for k in 1..=2 {
        let of = |prefix: &str| values(&scored, prefix, &format!("/gallery-{k}"));
        let threshold = evidence_f64(&scored, &format!("gallery_{k}_threshold.npy"))?;
        for (name, got) in [
            ("rank", of("rank-")),
            ("tpir", of("tpir@")),
            ("threshold", threshold),
        ] {
            let tensor = format!("expect.gallery_{k}.{name}");
            checks.push(Check::absolute(case, &tensor, &got, PROTOCOL)?);
        }
    }
    Ok(checks)
}
