//! Wrong labels and outliers, planted in a training set as the scripts of BoundaryFace (Wu and
//! Gong, ECCV 2022) do, but seeded, and with a list of what was changed.
//!
//! Per class, in an order drawn at random: the first `floor(n closed)` of its `n` images get the
//! label of another class, drawn uniformly (*closed-set noise*); the last `floor(n open)` are
//! replaced by outliers under labels drawn from all classes (*open-set noise*). Only where the
//! two rates exceed one together does an outlier take the place of a flipped image. Outliers are
//! used in an order drawn at random, and again in another once all have been used.
//!
//! The list, the set it was drawn for and the outliers determine every pixel and label of the
//! noisy set.

use super::image::Image;
use super::list::Text;
use super::set::{self, Images, TrainSet};
use super::source::ImageSource;
use super::watch::{Steps, Watch};
use frbench_base::files;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_job::description::TrainData;
use frbench_job::{Damaged, DataSource, DataSpec, Description, NoisySpec};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// The list of changes in the folder of a noisy set: `image,class,label,outlier`, a line per
/// changed image, by number. `class` is its label in the base set, `label` the one it has now,
/// `outlier` the number of the image that takes its place, if any.
pub const LIST: &str = "noise.csv";

const HEADER: [&str; 4] = ["image", "class", "label", "outlier"];

/// One changed image of a training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub image: u32,
    /// Its label in the base set.
    pub class: u32,
    pub label: u32,
    /// The outlier that takes its place; none keeps the image.
    pub outlier: Option<u32>,
}

/// Draws the changes to a set with these labels, all below `classes`, by the number of the
/// image. `outliers` is how many there are to choose from.
///
/// # Errors
/// [`Error::Usage`] for rates that cannot be had: of one class, or of no outliers.
pub fn draw(
    labels: &[u32],
    classes: u32,
    outliers: usize,
    (closed, open, seed): (f64, f64, u64),
) -> Result<Vec<Change>> {
    if closed > 0.0 && classes < 2 {
        return Err(Error::Usage(
            "closed-set noise wants at least two classes".into(),
        ));
    }
    if open > 0.0 && outliers == 0 {
        return Err(Error::Usage("open-set noise wants outliers".into()));
    }
    let mut of_class: Vec<Vec<u32>> = vec![Vec::new(); classes as usize];
    for (&label, image) in labels.iter().zip(0..) {
        of_class[label as usize].push(image);
    }
    let mut supply = Supply::new(seed, outliers);
    let mut changes: Vec<Option<Change>> = vec![None; labels.len()];
    for (class, mut images) in (0..classes).zip(of_class) {
        let mut s = Stream::derive(seed, "noise", &[u64::from(class)]);
        s.shuffle(&mut images);
        // The product in 64 bits and its floor, as the scripts take them.
        let share = |rate: f64| ((images.len() as f64 * rate).floor() as usize).min(images.len());
        for &image in &images[..share(closed)] {
            let other = s.below(u64::from(classes) - 1) as u32;
            changes[image as usize] = Some(Change {
                image,
                class,
                label: if other < class { other } else { other + 1 },
                outlier: None,
            });
        }
        for &image in &images[images.len() - share(open)..] {
            changes[image as usize] = Some(Change {
                image,
                class,
                label: s.below(u64::from(classes)) as u32,
                outlier: Some(supply.next()),
            });
        }
    }
    Ok(changes.into_iter().flatten().collect())
}

/// Outliers in random order, over and over.
struct Supply {
    seed: u64,
    count: usize,
    round: u64,
    order: Vec<u32>,
}

impl Supply {
    fn new(seed: u64, count: usize) -> Self {
        Supply {
            seed,
            count,
            round: 0,
            order: Vec::new(),
        }
    }

    fn next(&mut self) -> u32 {
        if self.order.is_empty() {
            let mut s = Stream::derive(self.seed, "noise/outliers", &[self.round]);
            self.order = s.permutation(self.count);
            self.round += 1;
        }
        self.order.pop().unwrap_or(0)
    }
}

/// Draws the list of a noisy set and writes it into the folder `dir`, unless the same is there.
///
/// # Errors
/// What [`draw`] refuses; [`Error::Data`] if the folder holds another list, or if a set it is
/// made of cannot be opened.
pub fn plant(spec: &NoisySpec, dir: &Path, root: &Path, watch: Watch) -> Result<()> {
    let (base, outliers) = sets(spec, root, watch)?;
    let rates = (spec.closed, spec.open, spec.seed);
    let changes = draw(
        &base.data.labels,
        base.data.classes,
        outliers.as_ref().map_or(0, |o| o.len()),
        rates,
    )?;
    let text = to_csv(&changes)?;
    let path = dir.join(LIST);
    if !path.exists() {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        return files::write_atomic(&path, &text);
    }
    if files::read(&path)? == text {
        return Ok(());
    }
    Err(Error::Data(format!(
        "{}: not the list that these rates and this seed give; delete the folder to have it drawn \
         again",
        path.display()
    )))
}

/// Opens a noisy set by the list in its folder `dir`.
///
/// # Errors
/// [`Error::Data`] for a list that is missing, malformed or of another set.
pub fn open(spec: &NoisySpec, dir: &Path, root: &Path, watch: Watch) -> Result<TrainSet> {
    let (base, outliers) = sets(spec, root, watch)?;
    let path = dir.join(LIST);
    let changes = from_csv(Text::watched(&super::list::read(&path)?, watch), &path)?;
    apply(base, outliers, &changes, spec).map_err(|what| match what {
        Error::Data(what) => Error::Data(format!("{}: {what}", path.display())),
        other => other,
    })
}

/// The set that a list makes of `base`.
fn apply(
    base: TrainSet,
    outliers: Option<Images>,
    changes: &[Change],
    spec: &NoisySpec,
) -> Result<TrainSet> {
    let TrainSet {
        source,
        data,
        mut findings,
    } = base;
    let TrainData {
        mut labels,
        classes,
        identities,
    } = data;
    let mut people = match identities {
        Some(people) => people,
        None => labels.iter().map(|l| u64::from(*l)).collect(),
    };
    let mut replaced = vec![None; labels.len()];
    for (change, line) in changes.iter().zip(2..) {
        let wrong = |what: String| Error::Data(format!("line {line}: {what}"));
        let image = change.image as usize;
        match labels.get(image) {
            Some(label) if *label == change.class => {}
            Some(label) => {
                return Err(wrong(format!(
                    "image {image} is of class {label} in `{}`, not {}",
                    spec.base.name, change.class
                )));
            }
            None => {
                return Err(wrong(format!(
                    "`{}` has {} images and no image {image}",
                    spec.base.name,
                    labels.len()
                )));
            }
        }
        if change.label >= classes {
            return Err(wrong(format!(
                "there are {classes} classes and no class {}",
                change.label
            )));
        }
        labels[image] = change.label;
        if let Some(outlier) = change.outlier {
            let count = outliers.as_ref().map_or(0, |o| o.len());
            if outlier as usize >= count {
                return Err(wrong(format!(
                    "there are {count} outliers and no outlier {outlier}"
                )));
            }
            replaced[image] = Some(outlier);
            people[image] = u64::MAX - u64::from(outlier);
        }
    }
    findings.say(realised(changes, labels.len(), spec));
    Ok(TrainSet {
        source: Arc::new(NoisySource {
            base: source,
            outliers,
            replaced,
            labels: labels.clone(),
        }),
        data: TrainData {
            labels,
            classes,
            identities: Some(people),
        },
        findings,
    })
}

/// Requested and realised rates, in words.
fn realised(changes: &[Change], images: usize, spec: &NoisySpec) -> String {
    let outliers = changes.iter().filter(|c| c.outlier.is_some()).count();
    let flipped = changes.len() - outliers;
    let said = |n: usize, rate: f64| {
        format!(
            "{n} of {images}, {:.2} % (requested {} %)",
            100.0 * n as f64 / images.max(1) as f64,
            (rate * 1e6).round() / 1e4
        )
    };
    format!(
        "labels of another class: {}; images replaced by outliers: {}",
        said(flipped, spec.closed),
        said(outliers, spec.open)
    )
}

/// The sets that a noisy one is made of.
fn sets(spec: &NoisySpec, root: &Path, watch: Watch) -> Result<(TrainSet, Option<Images>)> {
    let wrong =
        |spec: &DataSpec, what: &str| Error::Usage(format!("`{}` is not {what}", spec.name));
    for part in [Some(&spec.base), spec.outliers.as_ref()]
        .into_iter()
        .flatten()
    {
        if matches!(&part.source, DataSource::Files { rules, .. } if rules.damaged == Damaged::Skip)
        {
            return Err(wrong(
                part,
                "a set that noise can be planted in: damaged images are left out of it",
            ));
        }
    }
    let base = set::open_watched(&spec.base, root, watch)?.train();
    let base = base.ok_or_else(|| wrong(&spec.base, "a training set"))?;
    let outliers = match &spec.outliers {
        None => None,
        Some(spec) => {
            let set = set::open_watched(spec, root, watch)?;
            let part = set.part("distractors").or_else(|_| match set.description {
                Description::Train(_) => set.part("images"),
                _ => Err(wrong(spec, "a training set, nor has it distractors")),
            });
            Some(part?.clone())
        }
    };
    Ok((base, outliers))
}

fn to_csv(changes: &[Change]) -> Result<Vec<u8>> {
    let bug = |e: &dyn std::fmt::Display| Error::Bug(format!("{LIST}: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(HEADER).map_err(|e| bug(&e))?;
    for c in changes {
        let outlier = c.outlier.map_or(String::new(), |o| o.to_string());
        let numbers = [c.image, c.class, c.label].map(|n| n.to_string());
        out.write_record(numbers.iter().chain([&outlier]))
            .map_err(|e| bug(&e))?;
    }
    out.into_inner().map_err(|e| bug(&e))
}

/// Reads a list of changes; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] with the line that is wrong.
pub fn from_csv<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<Change>> {
    let Text { bytes, watch } = text.into();
    let steps = Steps::new(watch);
    let wrong =
        |line: u64, what: String| Error::Data(format!("{}: line {line}: {what}", path.display()));
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| wrong(1, e.to_string()))?;
    if header.iter().ne(HEADER) {
        return Err(wrong(1, format!("want `{}`", HEADER.join(","))));
    }
    let mut changes: Vec<Change> = Vec::new();
    for (record, line) in reader.records().zip(2..) {
        steps.next()?;
        let record = record.map_err(|e| wrong(line, e.to_string()))?;
        let number = |i: usize| -> Result<u32> {
            record[i].parse().map_err(|_| {
                let what = format!("`{}` is `{}`, want a number", HEADER[i], &record[i]);
                wrong(line, what)
            })
        };
        let change = Change {
            image: number(0)?,
            class: number(1)?,
            label: number(2)?,
            outlier: match &record[3] {
                "" => None,
                _ => Some(number(3)?),
            },
        };
        if changes
            .last()
            .is_some_and(|last| last.image >= change.image)
        {
            return Err(wrong(line, "images must ascend, none twice".into()));
        }
        changes.push(change);
    }
    Ok(changes)
}

/// A collection with some of its images replaced by outliers, under other labels.
struct NoisySource {
    base: Images,
    outliers: Option<Images>,
    /// The outlier in the place of each image.
    replaced: Vec<Option<u32>>,
    labels: Vec<u32>,
}

impl NoisySource {
    /// Where image `i` is, and its number there.
    fn at(&self, i: usize) -> (&dyn ImageSource, usize) {
        match (self.replaced.get(i).copied().flatten(), &self.outliers) {
            (Some(outlier), Some(outliers)) => (outliers.as_ref(), outlier as usize),
            _ => (self.base.as_ref(), i),
        }
    }
}

impl ImageSource for NoisySource {
    fn len(&self) -> usize {
        self.base.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        let (source, i) = self.at(i);
        source.bytes(i)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.labels.get(i).copied()
    }

    fn describe(&self, i: usize) -> String {
        let (source, i) = self.at(i);
        source.describe(i)
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        let (source, i) = self.at(i);
        source.decoded(i, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Per class exactly `floor(n r)` images are changed, flipped ones to another class.
        #[test]
        fn rates_hold_class_by_class(
            counts in prop::collection::vec(1usize..40, 2..8),
            closed in 0.0f64..0.6,
            open in 0.0f64..0.6,
            seed in 0u64..1000,
        ) {
            let classes = counts.len() as u32;
            let labels: Vec<u32> = (0..classes)
                .flat_map(|c| vec![c; counts[c as usize]])
                .collect();
            let changes = draw(&labels, classes, 50, (closed, open, seed)).unwrap();
            prop_assert!(changes.windows(2).all(|w| w[0].image < w[1].image));
            for (class, &n) in (0..classes).zip(&counts) {
                let own = || changes.iter().filter(|c| c.class == class);
                let replaced = own().filter(|c| c.outlier.is_some()).count();
                let flipped = own().filter(|c| c.outlier.is_none()).count();
                let floor = |rate: f64| (n as f64 * rate).floor() as usize;
                prop_assert_eq!(replaced, floor(open));
                // Outliers are last in the order and flips first: they meet beyond all of it.
                prop_assert_eq!(flipped, floor(closed).min(n - replaced));
                prop_assert!(own().all(|c| labels[c.image as usize] == class));
                let other = |c: &Change| c.outlier.is_some() || c.label != class;
                prop_assert!(own().all(|c| other(c) && c.label < classes));
            }
        }
    }

    #[test]
    fn other_labels_are_uniform_and_draws_differ_by_seed() {
        let labels = vec![1u32; 9000];
        let changes = draw(&labels, 4, 0, (1.0, 0.0, 3)).unwrap();
        for class in [0, 2, 3] {
            let n = changes.iter().filter(|c| c.label == class).count();
            assert!((2800..3200).contains(&n), "{n}");
        }
        assert_ne!(changes, draw(&labels, 4, 0, (1.0, 0.0, 4)).unwrap());
        assert_eq!(changes, draw(&labels, 4, 0, (1.0, 0.0, 3)).unwrap());
    }

    #[test]
    fn outliers_are_used_up_before_any_is_used_again() {
        let changes = draw(&[0, 0, 0, 0, 1, 1], 2, 3, (0.0, 1.0, 5)).unwrap();
        let mut used: Vec<u32> = changes.iter().filter_map(|c| c.outlier).collect();
        used[..3].sort_unstable();
        used[3..].sort_unstable();
        assert_eq!(used, [0, 1, 2, 0, 1, 2]);
        assert!(draw(&[0, 1], 2, 0, (0.0, 0.5, 5)).is_err());
        assert!(draw(&[0, 0], 1, 0, (0.5, 0.0, 5)).is_err());
    }

    #[test]
    fn lists_are_read_as_written_and_errors_have_a_line() {
        let changes = draw(&[0, 0, 0, 1, 1, 1], 2, 9, (0.4, 0.4, 5)).unwrap();
        assert_eq!(changes.len(), 4);
        let path = Path::new("noise.csv");
        let text = to_csv(&changes).unwrap();
        assert_eq!(from_csv(&text, path).unwrap(), changes);
        for (text, want) in [
            ("image,class\n", "line 1: want `image,class,label,outlier`"),
            (
                "image,class,label,outlier\n1,0,x,\n",
                "line 2: `label` is `x`",
            ),
            (
                "image,class,label,outlier\n1,0,1,\n1,0,1,\n",
                "line 3: images must ascend",
            ),
            ("image,class,label,outlier\n1,0,1\n", "line 2:"),
        ] {
            let message = from_csv(text.as_bytes(), path).unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
