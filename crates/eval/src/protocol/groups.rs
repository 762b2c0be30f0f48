//! One threshold for several groups of pairs (RFW and its like).
//!
//! Embeddings of image and mirror are added; the score is the cosine, in f64. For each stated FMR a
//! threshold is chosen, by a rule of [`rates`], on the pairs of all groups together or of one of them.
//! FMR and FNMR of each group at this threshold follow, and the ratio of the largest to the smallest.
//! A score that is equal to the threshold is a match. Thresholds are held in intervals and in what
//! trials add.
//!
//! A pair with an image that is lost (missing or damaged) is a non-match at every threshold.
//!
//! A group without an error has a rate that is too small to be seen: in a ratio it counts as one error,
//! which makes the ratio a lower bound.

use super::input::{Part, ScoreInput};
use super::pairs::{self, Couple};
use super::rates::{self, ErrorRates, Scores};
use super::scores::{dot_f64, fused};
use super::trials::{self, Trials};
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, histogram, operating, rate_id};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::description::{PairData, PairGroups};
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// The groups of RFW.
const RFW: [&str; 4] = ["African", "Asian", "Caucasian", "Indian"];
/// All groups together.
const ALL: &str = "all";
const FMRS: [f64; 2] = [1e-3, 1e-2];

const INFO: Info = Info {
    name: "group-verification",
    summary: "FMR and FNMR of each group at one threshold, and their ratios (RFW)",
    source: "Grother, Ngan, Hanaoka, FRVT part 3: Demographic Effects, NIST IR 8280, 2019; groups of Wang \
             et al., Racial Faces in the Wild, ICCV 2019",
    params: &[
        Param {
            name: "groups",
            kind: Kind::Texts,
            required: false,
            doc: "the groups of the set (default African, Asian, Caucasian, Indian: those of RFW)",
        },
        Param {
            name: "threshold_on",
            kind: Kind::Text,
            required: false,
            doc: "the group on which thresholds are chosen, or all of them together (default all)",
        },
        Param {
            name: "fmrs",
            kind: Kind::Floats,
            required: false,
            doc: "false match rates for which thresholds are chosen (default 1e-3, 1e-2)",
        },
        rates::FMR_RULE,
        bootstrap::PARAM,
    ],
};

/// The line of the table of protocols.
pub(super) const ENTRY: ProtocolEntry = ProtocolEntry {
    info: INFO,
    parts: &["images"],
    views: Views::Both,
    format: DataFormat::Pairs,
    metrics,
    check: check_data,
    score,
};

/// What a suite asks for.
struct Asked {
    groups: Vec<String>,
    /// None: all of them.
    threshold_on: Option<usize>,
    fmrs: Vec<f64>,
    rule: &'static rates::FmrRule,
}

impl Asked {
    fn of(args: &Args) -> Result<Self> {
        let groups = args.texts_or("groups", &RFW)?;
        let wrong = |what: String| Error::Usage(format!("`{}`: {what}", INFO.name));
        let mut seen = BTreeSet::new();
        if let Some(twice) = groups.iter().find(|g| !seen.insert(g.as_str())) {
            return Err(wrong(format!("group `{twice}` is named twice in `groups`")));
        }
        if let Some(odd) = groups.iter().find(|g| g.contains(char::is_control)) {
            return Err(wrong(format!(
                "group {odd:?} of `groups` has a control character in its name"
            )));
        }
        if groups.len() < 2 || seen.contains(ALL) {
            return Err(wrong(format!(
                "`groups` names {}; want at least two, none of them `{ALL}`",
                groups.join(", ")
            )));
        }
        let threshold_on = match args.text_or("threshold_on", ALL)? {
            ALL => None,
            name => Some(groups.iter().position(|g| g == name).ok_or_else(|| {
                wrong(format!(
                    "`threshold_on` is `{name}`, want `{ALL}` or one of {}",
                    groups.join(", ")
                ))
            })?),
        };
        Ok(Asked {
            groups,
            threshold_on,
            fmrs: rates::fmrs(args, &FMRS)?,
            rule: rates::stated_rule(args)?,
        })
    }

    /// Where thresholds are chosen, in words.
    fn on(&self) -> &str {
        self.threshold_on.map_or(ALL, |g| &self.groups[g])
    }

    /// Ids of the metrics at the threshold of an FMR: FNMR of all pairs, both rates of each group,
    /// and their ratios.
    fn ids(&self, fmr: f64) -> Vec<String> {
        let id = |what: &str| rate_id(&format!("{what}@fmr"), fmr);
        let of = |group: &String| ["fmr", "fnmr"].map(|what| format!("{}/{group}", id(what)));
        let groups = self.groups.iter().flat_map(of);
        let ratios = ["fmr-ratio", "fnmr-ratio"].map(id);
        std::iter::once(id("fnmr"))
            .chain(groups)
            .chain(ratios)
            .collect()
    }
}

fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let asked = Asked::of(&Args::new(INFO.name, &spec.params))?;
    Ok(asked.fmrs.iter().flat_map(|f| asked.ids(*f)).collect())
}

/// Whether the set has these groups, and each of them pairs of both kinds that can be compared.
fn check_data(spec: &ProtocolSpec, data: &Description) -> Result<()> {
    let asked = Asked::of(&Args::new(INFO.name, &spec.params))?;
    groups_of(pairs::of(data, INFO.name)?, &asked).map(drop)
}

/// The group of each pair, as its place among those that are asked for.
fn groups_of(data: &PairData, asked: &Asked) -> Result<Vec<usize>> {
    let Some(PairGroups { names, of }) = &data.groups else {
        return Err(Error::Data(format!(
            "`{}` needs a set that says of which group each pair is: RFW with its four lists, or a \
             table with a column `group`",
            INFO.name
        )));
    };
    if of.len() != data.same.len() || of.iter().any(|&g| g as usize >= names.len()) {
        return Err(Error::Data(format!(
            "{} groups of {} pairs, or a group beyond the {} there are",
            of.len(),
            data.same.len(),
            names.len()
        )));
    }
    let (have, want): (BTreeSet<&String>, BTreeSet<&String>) =
        (names.iter().collect(), asked.groups.iter().collect());
    if have != want {
        return Err(Error::Data(format!(
            "the groups of the set are {}, and the protocol says `groups` are {}",
            names.join(", "),
            asked.groups.join(", ")
        )));
    }
    let place = |name: &String| asked.groups.iter().position(|g| g == name);
    let places: Vec<usize> = names.iter().filter_map(place).collect();
    let of: Vec<usize> = of.iter().map(|&g| places[g as usize]).collect();
    for (g, name) in asked.groups.iter().enumerate() {
        let all = || (0..of.len()).filter(|&i| of[i] == g);
        let there = |i: &usize| data.pairs[*i].is_some();
        let same: Vec<bool> = all().filter(there).map(|i| data.same[i]).collect();
        let left = match all().all(|i| there(&i)) {
            true => "",
            false => ", of the pairs whose images are there",
        };
        check::both_kinds(&same).map_err(|e| Error::Data(format!("group {name}{left}: {e}")))?;
    }
    Ok(of)
}

/// Scores the pairs of all groups.
fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new(INFO.name, &spec.params);
    let asked = Asked::of(&args)?;
    let resamples = bootstrap::resamples(&args)?;
    let data = pairs::of(input.data, INFO.name)?;
    let group = groups_of(data, &asked)?;
    let part = input.part("images", Some(data.images))?;
    let zeros = check::spread(&part, "images")?;
    let mut notes: Vec<String> = check::zero_note(zeros, "images").into_iter().collect();
    notes.extend(pairs::lost(data));
    let similarity = cosines(data, &part);

    let all = Scores::of(&similarity, &data.same)?;
    let of = |wanted: usize| {
        let here = (0..group.len()).filter(|&i| group[i] == wanted);
        let (scores, same): (Vec<f64>, Vec<bool>) =
            here.map(|i| (similarity[i], data.same[i])).unzip();
        Scores::of(&scores, &same)
    };
    let groups: Vec<Scores> = (0..asked.groups.len()).map(of).collect::<Result<_>>()?;
    let on = asked.threshold_on.map_or(&all, |g| &groups[g]);
    let mut judged = Judged {
        data,
        asked: &asked,
        group: &group,
        similarity: &similarity,
        thresholds: Vec::new(),
    };
    let mut trials = Trials {
        people: pairs::trials(data),
        ..Trials::default()
    };
    let mut values = Vec::new();
    for &fmr in &asked.fmrs {
        let chosen = on.at_fmr(fmr, asked.rule);
        let threshold = chosen.threshold;
        let at = |scores: &Scores| scores.at(threshold, asked.rule.ties);
        let of_all = at(&all);
        let at: Vec<ErrorRates> = groups.iter().map(at).collect();
        notes.extend(said(&asked, fmr, &of_all, &at));
        let rates = |at: &ErrorRates| [at.fmr(), at.fnmr()];
        let by_group: Vec<[f64; 2]> = at.iter().map(rates).collect();
        let least = at
            .iter()
            .map(|a| [1.0 / a.impostors as f64, 1.0 / a.genuine as f64]);
        let least: Vec<[f64; 2]> = least.collect();
        values.push(of_all.fnmr());
        values.extend(by_group.iter().flatten());
        values.extend([0, 1].map(|k| ratio(&by_group, &least, k)));
        // All of them rest on the threshold.
        let allowed = operating::allowed(fmr, chosen.impostors);
        for id in asked.ids(fmr) {
            trials.allow(id, allowed);
        }
        judged.add(&mut trials, fmr, threshold);
        judged.thresholds.push(threshold);
    }

    let ids = metrics(spec)?;
    let intervals = match &data.identities {
        Some(people) => judged.intervals(people, resamples),
        None => {
            notes.push(pairs::WITHOUT_PEOPLE.into());
            vec![None; ids.len()]
        }
    };
    let (genuine, impostor) = pairs::split(&similarity, &data.same);
    let metrics = ids.into_iter().zip(values).zip(intervals);
    let metrics = metrics.map(|((id, value), interval)| Metric {
        id,
        value,
        higher_is_better: false,
        chance: None,
        interval,
        folds: Vec::new(),
    });
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("group-verification/{}/{}", asked.on(), asked.rule.name),
            model: None,
            metrics: metrics.collect(),
            series: histogram::series(&genuine, &impostor),
            notes,
            evidence: Vec::new(),
        },
        evidence: std::iter::once(("pair_similarity.npy".into(), evidence::npy_f64(&similarity)))
            .chain(trials.evidence())
            .collect(),
    })
}

/// The cosine of each pair, minus infinity where an image of it could not be used.
fn cosines(data: &PairData, part: &Part) -> Vec<f64> {
    let cosine = |&(a, b): &(u32, u32)| {
        let (rows, inverse_norms) = fused(part, [a, b].into_iter().map(|i| i as usize));
        let (a, b) = rows.split_at(part.dim());
        let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|&v| f64::from(v)).collect() };
        dot_f64(&wide(a), &wide(b)) * (inverse_norms[0] * inverse_norms[1])
    };
    let pairs = data.pairs.par_iter();
    pairs
        .map(|pair| pair.as_ref().map_or(f64::NEG_INFINITY, cosine))
        .collect()
}

/// The ratio of the largest to the smallest of rates `k`, none of which counts as less than one error.
fn ratio(rates: &[[f64; 2]], least: &[[f64; 2]], k: usize) -> f64 {
    let seen = rates.iter().zip(least).map(|(r, l)| r[k].max(l[k]));
    let (low, high) = seen.fold((f64::INFINITY, 0.0f64), |(low, high), rate| {
        (low.min(rate), high.max(rate))
    });
    high / low
}

/// What a reader must know of the errors at one threshold.
fn said(asked: &Asked, fmr: f64, all: &ErrorRates, at: &[ErrorRates]) -> Vec<String> {
    let id = rate_id("fnmr@fmr", fmr);
    let mut notes = vec![format!(
        "{id}: the threshold is chosen on {} ({}); {all}",
        asked.on(),
        asked.rule.name
    )];
    for (group, at) in asked.groups.iter().zip(at) {
        notes.push(format!("{id}: group {group}: {at}"));
    }
    for (kind, genuine) in [
        ("accepted impostor pair", false),
        ("rejected genuine pair", true),
    ] {
        let errors = |at: &ErrorRates| match genuine {
            true => at.false_non_matches,
            false => at.false_matches,
        };
        let groups = asked.groups.iter().zip(at);
        let groups = groups.filter(|(_, at)| errors(at) == 0);
        let groups: Vec<&str> = groups.map(|(name, _)| name.as_str()).collect();
        if !groups.is_empty() {
            notes.push(format!(
                "{id}: without any {kind} are {}; they count as one in the ratio, which is a lower bound",
                groups.join(", ")
            ));
        }
    }
    notes
}

/// Pairs at thresholds that are chosen.
struct Judged<'a> {
    data: &'a PairData,
    asked: &'a Asked,
    group: &'a [usize],
    similarity: &'a [f64],
    thresholds: Vec<f64>,
}

impl Judged<'_> {
    /// Whether pair `i` is judged wrongly.
    fn is_wrong(&self, i: usize, threshold: f64) -> bool {
        let accepted = self.asked.rule.ties.accept(self.similarity[i], threshold);
        accepted != self.data.same[i]
    }

    /// What each pair adds to the rates at the threshold of an FMR; ratios are no means over pairs.
    fn add(&self, trials: &mut Trials, fmr: f64, threshold: f64) {
        let share = |class: bool, group: Option<usize>| {
            let counts =
                |i: usize| self.data.same[i] == class && group.is_none_or(|g| self.group[i] == g);
            let outcome = |i: usize| counts(i).then(|| self.is_wrong(i, threshold));
            trials::share((0..self.group.len()).map(outcome))
        };
        let of_groups =
            (0..self.asked.groups.len()).flat_map(|g| [false, true].map(|c| (c, Some(g))));
        let rates = std::iter::once((true, None)).chain(of_groups);
        for (id, (class, group)) in self.asked.ids(fmr).into_iter().zip(rates) {
            trials.add(id, &share(class, group));
        }
    }

    /// Intervals in the order of metrics, people resampled. A ratio has one where hardly any draw
    /// leaves a group without an error.
    fn intervals(&self, people: &[(u32, u32)], resamples: usize) -> Vec<Option<(f64, f64)>> {
        let (couples, count) = pairs::couples(people);
        let statistics = |drawn: &[u32]| self.statistics(&couples, drawn);
        let metrics = self.thresholds.len() * (1 + 2 * self.asked.groups.len() + 2);
        let purpose = "bootstrap/group-verification";
        bootstrap::intervals(count, resamples, purpose, metrics, statistics)
    }

    fn statistics(&self, couples: &[Couple], drawn: &[u32]) -> Vec<f64> {
        // By threshold, group and kind: the weight of the errors; by group and kind that of all.
        let groups = self.asked.groups.len();
        let mut errors = vec![[0u64; 2]; self.thresholds.len() * groups];
        let mut all = vec![[0u64; 2]; groups];
        for (i, people) in couples.iter().enumerate() {
            let weight = people.weight(drawn);
            let (kind, group) = (usize::from(self.data.same[i]), self.group[i]);
            all[group][kind] += weight;
            for (t, threshold) in self.thresholds.iter().enumerate() {
                let wrong = u64::from(self.is_wrong(i, *threshold));
                errors[t * groups + group][kind] += weight * wrong;
            }
        }
        let share = |n: u64, of: u64| n as f64 / of as f64;
        let genuine: u64 = all.iter().map(|a| a[1]).sum();
        errors
            .chunks(groups)
            .flat_map(|of| {
                let rejected: u64 = of.iter().map(|e| e[1]).sum();
                let rates = of.iter().zip(&all);
                let rates: Vec<[f64; 2]> = rates
                    .map(|(e, a)| [share(e[0], a[0]), share(e[1], a[1])])
                    .collect();
                let ratios = [0, 1].map(|k| {
                    let low = rates.iter().map(|r| r[k]).fold(f64::INFINITY, f64::min);
                    let high = rates.iter().map(|r| r[k]).fold(0.0, f64::max);
                    if low > 0.0 { high / low } else { f64::NAN }
                });
                let first = share(rejected, genuine);
                let by_group = rates.into_iter().flatten();
                std::iter::once(first)
                    .chain(by_group)
                    .chain(ratios)
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}
