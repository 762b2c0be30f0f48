//! Search of templates in galleries that do not know everybody (IJB-B and IJB-C, 1:N).
//!
//! Each gallery has its own known and unknown probes and its own thresholds, by a rule of [`watchlist`].
//! The score of two [`templates`] is their dot product. Ties count against the probe. TPIR is the mean
//! over galleries. A rate of a rank over all galleries divides the probes that are found, in whichever
//! gallery, by the number of probes: by the rule `insightface` of all of them, so that one whose person
//! is in no gallery is missed, by `bob` of those whose person is enrolled.
//!
//! An image that is lost (missing or damaged) is left out of its template. A template of a gallery that
//! has no other image is a failure to enrol: probes of its person are missed. Such a template of a
//! probe is missed, or raises no alarm.

use super::input::ScoreInput;
use super::scores::dot_f64;
use super::templates::{self, Templates};
use super::trials::{self, Trials};
use super::watchlist::{self, Answer, Answers, Asked, Point};
use super::{
    ProtocolEntry, RANKS, Scored, bootstrap, check, evidence, histogram, operating, rank_id,
};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::description::{SearchData, TemplateData, TemplateList};
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const INFO: Info = Info {
    name: "template-identification",
    summary: "rank-N and TPIR at FPIR of templates in each of two galleries (IJB-B and IJB-C, 1:N)",
    source: "deepinsight/insightface recognition/_evaluation_/ijb/ijb_evals.py",
    params: &[
        templates::NORM,
        templates::DETECTOR_SCORE,
        watchlist::RULE,
        watchlist::FPIRS,
        RANKS,
        Param {
            name: "galleries",
            kind: Kind::Int { min: 1, max: 100 },
            required: false,
            doc: "number of galleries of the set (default 2)",
        },
        bootstrap::PARAM,
    ],
};

/// The line of the table of protocols.
pub(super) const ENTRY: ProtocolEntry = ProtocolEntry {
    info: INFO,
    parts: &["images"],
    views: Views::Both,
    format: DataFormat::Templates,
    metrics,
    check: check_data,
    score,
};

/// The rule unless a suite states another.
const DEFAULT: &str = "insightface";

/// Ids of the metrics over all galleries, and of those of one.
fn ids(asked: &Asked) -> Vec<String> {
    let ranks = asked.ranks.iter().map(|&r| rank_id(r));
    let tpirs = asked.fpirs.iter().map(|f| watchlist::tpir_id(*f, 1));
    ranks.chain(tpirs).collect()
}

/// The number of galleries that a suite states.
fn galleries(args: &Args) -> Result<usize> {
    args.usize_or("galleries", 2)
}

fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new(INFO.name, &spec.params);
    let ids = ids(&Asked::of(&args, DEFAULT)?);
    let of = |k: usize| ids.iter().map(move |id| format!("{id}/gallery-{k}"));
    let each = (1..=galleries(&args)?).flat_map(of);
    Ok(ids.iter().cloned().chain(each).collect())
}

/// Whether every gallery has known and unknown probes.
fn check_data(spec: &ProtocolSpec, data: &Description) -> Result<()> {
    let stated = galleries(&Args::new(INFO.name, &spec.params))?;
    let (templates, search) = search_of(data)?;
    if search.galleries.len() != stated {
        return Err(Error::Data(format!(
            "the set has {} galleries, and the protocol says `galleries = {}`",
            search.galleries.len(),
            stated
        )));
    }
    let there: BTreeSet<u32> = templates
        .template
        .iter()
        .chain(&templates.lost)
        .copied()
        .collect();
    let lists = search.galleries.iter().chain([&search.probes]);
    if let Some(unknown) = lists
        .flat_map(|l| &l.templates)
        .find(|t| !there.contains(t))
    {
        return Err(Error::Data(format!(
            "template {unknown} of a gallery or of the probes has no image"
        )));
    }
    let probes = people(&search.probes, "the probes")?;
    for (k, gallery) in search.galleries.iter().enumerate() {
        let name = format!("gallery {}", k + 1);
        let mut enrolled = BTreeSet::new();
        let listed = people(gallery, &name)?;
        if let Some(twice) = listed.values().find(|person| !enrolled.insert(**person)) {
            return Err(Error::Data(format!(
                "{name} has more than one template of person {twice}; want one of each"
            )));
        }
        let known = probes.values().filter(|p| enrolled.contains(p)).count();
        if known == 0 || known == probes.len() {
            return Err(Error::Data(format!(
                "{name} knows the people of {known} of {} probes; there must be some whom it knows \
                 and some whom it does not",
                probes.len()
            )));
        }
    }
    Ok(())
}

/// What is searched, of templates.
fn search_of(data: &Description) -> Result<(&TemplateData, &SearchData)> {
    let Description::Templates(data) = data else {
        return Err(Error::Data(format!("`{}` needs templates", INFO.name)));
    };
    match &data.search {
        Some(search) => Ok((data, search)),
        None => Err(Error::Data(format!(
            "`{}` needs galleries and probes, which the set does not state: in IJB-B and IJB-C they \
             are the tables meta/*_1N_gallery_*.csv and meta/*_1N_probe_mixed.csv",
            INFO.name
        ))),
    }
}

/// The person of each template of a list, in the order of their numbers. A list may name a template
/// more than once, of the same person.
fn people(list: &TemplateList, name: &str) -> Result<BTreeMap<u32, u32>> {
    if list.templates.len() != list.subjects.len() || list.templates.is_empty() {
        return Err(Error::Data(format!(
            "{name}: {} templates and {} people; want as many of both, and some",
            list.templates.len(),
            list.subjects.len()
        )));
    }
    let mut people = BTreeMap::new();
    for (&template, &subject) in list.templates.iter().zip(&list.subjects) {
        let before = *people.entry(template).or_insert(subject);
        if before != subject {
            return Err(Error::Data(format!(
                "{name}: template {template} is of person {before} and of person {subject}"
            )));
        }
    }
    Ok(people)
}

/// Scores templates. Image `i` is row `i` of the part `images`.
fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new(INFO.name, &spec.params);
    let asked = Asked::of(&args, DEFAULT)?;
    let (unit, detector) = templates::weighing(&args)?;
    let resamples = bootstrap::resamples(&args)?;
    check_data(spec, input.data)?;
    let (data, search) = search_of(input.data)?;
    let part = input.part("images", Some(data.template.len()))?;
    let zeros = check::spread(&part, "images")?;
    let mut notes: Vec<String> = check::zero_note(zeros, "images").into_iter().collect();
    let weights = templates::weights(data, detector)?;
    let templates = Templates::build(data, &part, unit, weights)?;

    let probes = people(&search.probes, "the probes")?;
    let place = Place {
        templates: &templates,
        lost: data.lost_templates(),
    };
    let mut galleries = Vec::new();
    for (k, list) in search.galleries.iter().enumerate() {
        let enrolled = people(list, &format!("gallery {}", k + 1))?;
        let answers = Answers::new(place.search(&probes, &enrolled))?;
        let at = |fpir: &f64| answers.at(*fpir, asked.rule);
        let points: Vec<Point> = asked.fpirs.iter().map(at).collect();
        let known = answers.known();
        for point in &points {
            let found = answers.count(|a| point.finds(a, 1));
            let note = point.note(found, known);
            notes.push(format!("gallery {}: {note}", k + 1));
        }
        galleries.push(Searched { answers, points });
    }
    notes.extend(place.note(data, search));
    let all = Counts::new(&probes, &galleries, &asked);
    notes.push(format!(
        "{} of {} probes are of people in no gallery; in the rates of ranks over all galleries they {}",
        all.strangers,
        probes.len(),
        match asked.rule.unknown_are_missed {
            true => "count as missed",
            false => "do not count",
        }
    ));

    let values = all.rates(&|_| 1);
    let purpose = "bootstrap/template-identification";
    let of = |drawn: &[u32]| all.rates(&|person| u64::from(drawn[person]));
    let intervals = bootstrap::intervals(all.people, resamples, purpose, values.len(), of);
    let metrics = (metrics(spec)?.into_iter().zip(values)).zip(intervals);
    let metrics = metrics.map(|((id, value), interval)| Metric {
        id,
        value,
        higher_is_better: true,
        chance: None,
        interval,
        folds: Vec::new(),
    });
    let (mut mates, mut strangers) = (Vec::new(), Vec::new());
    for gallery in &galleries {
        let (own, others) = gallery.answers.scores();
        mates.extend(own);
        strangers.extend(others);
    }
    let norm = if unit { "unit" } else { "keep" };
    let weighing = if detector { "detector" } else { "plain" };
    Ok(Scored {
        result: ScoreResult {
            protocol: format!(
                "template-identification/norm-{norm}/{weighing}/{}",
                asked.rule.name
            ),
            model: None,
            metrics: metrics.collect(),
            series: histogram::histograms(&mates, &strangers)
                .chain([
                    ("cmc".to_owned(), cmc(&galleries, search)),
                    ("dir".to_owned(), mean_curve(&galleries, asked.rule)),
                ])
                .collect(),
            notes,
            evidence: Vec::new(),
        },
        evidence: {
            let trials = trials_of(&probes, &galleries, &asked);
            let files = evidence_of(&galleries).into_iter();
            files.chain(trials.evidence()).collect()
        },
    })
}

/// What one gallery answers, and its operating points.
struct Searched {
    answers: Answers,
    points: Vec<Point>,
}

/// Templates, and those of which no image is left.
struct Place<'a> {
    templates: &'a Templates,
    lost: BTreeSet<u32>,
}

impl Place<'_> {
    /// The row of a template; none where all of its images are lost.
    fn row(&self, template: u32) -> Option<u32> {
        self.templates.row.get(&template).copied()
    }

    /// What a gallery answers to every probe. Both are the people of templates.
    fn search(&self, probes: &BTreeMap<u32, u32>, gallery: &BTreeMap<u32, u32>) -> Vec<Answer> {
        let row = |(template, subject): (&u32, &u32)| (*subject, self.row(*template));
        let probes: Vec<(u32, Option<u32>)> = probes.iter().map(row).collect();
        let enrolled = gallery.iter().map(row);
        let enrolled = enrolled.filter_map(|(subject, row)| Some((subject, row?)));
        let enrolled: Vec<(u32, u32)> = enrolled.collect();
        let known: BTreeSet<u32> = gallery.values().copied().collect();
        let there: BTreeSet<u32> = enrolled.iter().map(|e| e.0).collect();
        let answer = |&(subject, row): &(u32, Option<u32>)| match row {
            Some(row) if there.contains(&subject) || !known.contains(&subject) => {
                let probe = self.templates.row(row);
                let scores = enrolled
                    .iter()
                    .map(|(subject, row)| (*subject, dot_f64(probe, self.templates.row(*row))));
                let scores: Vec<(u32, f64)> = scores.collect();
                Answer::of(subject, scores.iter().copied())
            }
            _ if known.contains(&subject) => Answer::MISSED,
            _ => Answer::SILENT,
        };
        probes.par_iter().map(answer).collect()
    }

    /// A note on images that are missing or damaged.
    fn note(&self, data: &TemplateData, search: &SearchData) -> Option<String> {
        let lost = |list: &TemplateList| {
            let of: BTreeSet<u32> = list.templates.iter().copied().collect();
            of.intersection(&self.lost).count()
        };
        let enrolled: usize = search.galleries.iter().map(lost).sum();
        (!data.lost.is_empty()).then(|| {
            format!(
                "{} images are missing or damaged and left out of their templates; without any other \
                 image are {enrolled} templates of galleries, whose people are missed (failure to \
                 enrol), and {} probes, which are missed or raise no alarm (failure to acquire)",
                data.lost.len(),
                lost(&search.probes)
            )
        })
    }
}

/// Who is found where, in whole numbers by person.
struct Counts {
    /// Number of people on probes.
    people: usize,
    /// Probes of people in no gallery.
    strangers: usize,
    /// Of each person, numbered: probes that count in rates of ranks, then for each gallery the known
    /// probes, those found at each rank and at each point.
    rows: Vec<(u64, Vec<Vec<u64>>)>,
    ranks: usize,
    points: usize,
}

impl Counts {
    fn new(probes: &BTreeMap<u32, u32>, galleries: &[Searched], asked: &Asked) -> Self {
        let (numbers, people) = bootstrap::number(probes.values().copied());
        let (ranks, points) = (asked.ranks.len(), asked.fpirs.len());
        let empty = (0, vec![vec![0; 1 + ranks + points]; galleries.len()]);
        let mut rows = vec![empty; people];
        let mut strangers = 0;
        for (i, person) in probes.values().enumerate() {
            let (counted, of_galleries) = &mut rows[numbers[person] as usize];
            let mut known = 0;
            for (gallery, row) in galleries.iter().zip(of_galleries) {
                let answer = &gallery.answers.all[i];
                if !answer.is_known() {
                    continue;
                }
                known += 1;
                row[0] += 1;
                let found = asked.ranks.iter().map(|&rank| answer.found(rank));
                let accepted = gallery.points.iter().map(|p| p.finds(answer, 1));
                for (count, hit) in row[1..].iter_mut().zip(found.chain(accepted)) {
                    *count += u64::from(hit);
                }
            }
            strangers += usize::from(known == 0);
            *counted += match asked.rule.unknown_are_missed {
                true => 1,
                false => known,
            };
        }
        Counts {
            people,
            strangers,
            rows,
            ranks,
            points,
        }
    }

    /// Every rate in the order of metrics, each person with a weight.
    fn rates(&self, weight: &dyn Fn(usize) -> u64) -> Vec<f64> {
        let galleries = self.rows.first().map_or(0, |r| r.1.len());
        let width = 1 + self.ranks + self.points;
        let mut probes = 0;
        let mut sums = vec![vec![0u64; width]; galleries];
        for (person, (counted, of_galleries)) in self.rows.iter().enumerate() {
            let weight = weight(person);
            probes += weight * counted;
            for (sum, row) in sums.iter_mut().zip(of_galleries) {
                sum.iter_mut().zip(row).for_each(|(s, c)| *s += weight * c);
            }
        }
        let rate = |sum: &Vec<u64>, k: usize| sum[1 + k] as f64 / sum[0] as f64;
        let ranks = (0..self.ranks).map(|k| {
            let found: u64 = sums.iter().map(|s| s[1 + k]).sum();
            found as f64 / probes as f64
        });
        let points = (self.ranks..self.ranks + self.points).map(|k| {
            let all: f64 = sums.iter().map(|s| rate(s, k)).sum();
            all / galleries as f64
        });
        let each = sums.iter().flat_map(|s| (0..width - 1).map(|k| rate(s, k)));
        ranks
            .chain(points)
            .chain(each.collect::<Vec<_>>())
            .collect()
    }
}

/// What each probe adds, by the person on it; unknown probes, and with them thresholds, are held. A
/// probe of a person whom a gallery does not know adds nothing to the rates of that gallery.
fn trials_of(probes: &BTreeMap<u32, u32>, galleries: &[Searched], asked: &Asked) -> Trials {
    let is_known = |gallery: &Searched, i: usize| gallery.answers.all[i].is_known();
    let of_gallery = |gallery: &Searched, hit: &dyn Fn(&Answer) -> bool| {
        let outcome = |answer: &Answer| answer.is_known().then(|| hit(answer));
        trials::share(gallery.answers.all.iter().map(outcome))
    };
    // Over all galleries a probe counts as often as it does there.
    let over_all = |rank: usize| {
        let known = |i: usize| galleries.iter().filter(|g| is_known(g, i)).count() as f64;
        let weight = |i: usize| match asked.rule.unknown_are_missed {
            true => 1.0,
            false => known(i),
        };
        let found = |i: usize| {
            let of = galleries.iter().filter(|g| g.answers.all[i].found(rank));
            of.count() as f64
        };
        let all = 0..probes.len();
        let n: f64 = all.clone().map(weight).sum();
        let mean = all.clone().map(found).sum::<f64>() / n;
        all.map(|i| (found(i) - mean * weight(i)) / n)
            .collect::<Vec<f64>>()
    };
    let mut trials = Trials {
        people: Some(probes.values().map(|&p| [p, p]).collect()),
        ..Trials::default()
    };
    for &rank in &asked.ranks {
        trials.add(rank_id(rank), &over_all(rank));
    }
    let tpir = |gallery: &Searched, p: usize| {
        of_gallery(gallery, &|answer| gallery.points[p].finds(answer, 1))
    };
    for (p, fpir) in asked.fpirs.iter().enumerate() {
        let mut mean = vec![0.0; probes.len()];
        for gallery in galleries {
            let of = tpir(gallery, p)
                .into_iter()
                .map(|v| v / galleries.len() as f64);
            mean.iter_mut().zip(of).for_each(|(m, v)| *m += v);
        }
        trials.add(watchlist::tpir_id(*fpir, 1), &mean);
    }
    for (k, gallery) in galleries.iter().enumerate() {
        let id = |id: String| format!("{id}/gallery-{}", k + 1);
        for &rank in &asked.ranks {
            let values = of_gallery(gallery, &|answer| answer.found(rank));
            trials.add(id(rank_id(rank)), &values);
        }
        for (p, fpir) in asked.fpirs.iter().enumerate() {
            trials.add(id(watchlist::tpir_id(*fpir, 1)), &tpir(gallery, p));
        }
    }
    trials
}

/// The mean over galleries of the share of known probes that are found, over ranks.
fn cmc(galleries: &[Searched], search: &SearchData) -> Vec<(f64, f64)> {
    let largest = search.galleries.iter().map(|g| g.templates.len()).max();
    let share = |n: usize| {
        let of: f64 = galleries.iter().map(|g| g.answers.rank(n)).sum();
        of / galleries.len() as f64
    };
    let ranks = operating::log_spaced(largest.unwrap_or(0), 100);
    ranks.into_iter().map(|n| (n as f64, share(n))).collect()
}

/// The mean over galleries of TPIR, and of the FPIR that their thresholds have.
fn mean_curve(galleries: &[Searched], rule: &watchlist::Rule) -> Vec<(f64, f64)> {
    let unknown = |g: &Searched| g.answers.all.len() - g.answers.known();
    let fewest = galleries.iter().map(unknown).min().unwrap_or(0);
    let mean = |of: &dyn Fn(&Searched) -> f64| {
        galleries.iter().map(of).sum::<f64>() / galleries.len() as f64
    };
    let points = operating::log_spaced(fewest, 200).into_iter().map(|n| {
        let fpir = n as f64 / fewest as f64;
        let attained = mean(&|g| g.answers.at(fpir, rule).attained());
        (
            attained,
            mean(&|g| g.answers.tpir(&g.answers.at(fpir, rule), 1)),
        )
    });
    let mut points: Vec<(f64, f64)> = points.filter(|p| p.0 > 0.0).collect();
    points.dedup();
    points
}

/// For each gallery what it answers to each probe in the order of template numbers, and the threshold
/// for each FPIR.
fn evidence_of(galleries: &[Searched]) -> Vec<(String, Vec<u8>)> {
    let of = |(k, gallery): (usize, &Searched)| {
        let rows = gallery.answers.all.iter().map(Answer::evidence);
        let (scores, before): (Vec<f64>, Vec<u32>) = rows.unzip();
        let thresholds: Vec<f64> = gallery.points.iter().map(|p| p.threshold).collect();
        let name = |what: &str| format!("gallery_{}_{what}.npy", k + 1);
        [
            (name("score"), evidence::npy_f64(&scores)),
            (name("rank"), evidence::npy_u32(&before)),
            (name("threshold"), evidence::npy_f64(&thresholds)),
        ]
    };
    galleries.iter().enumerate().flat_map(of).collect()
}
