//! Protocol twins: which person under which condition each image of a data set shows.
//!
//! A twin is a pure list: item `i` is a function of the twin and `i` alone, so that images can
//! be rendered in any order and by any number of threads. Every twin takes its people from a
//! range of its own, so that no two twins share one.

mod arrangement;
mod profiles;
mod table;
pub(super) mod templates;

pub use arrangement::{Arrangement, Pair};
pub use table::{TWINS, TwinInfo, info};

use super::condition::Condition;
use super::identity::POPULATIONS;
use super::world::World;
use super::{photo, texture, tiny};
use arrangement::{draw_groups, draw_pairs};
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_data::decode::encode_jpeg;
use frbench_job::SynthSpec;
use profiles::profile;
use table::{MOST, Purpose, at_least, sizes};

/// Seed of the world that data sets are rendered from.
pub const SEED: u64 = 20_260;

/// Share of the images of `noisy-train` that show the person of another class.
const NOISE: f64 = 0.1;

/// JPEG-encoded images are asked for by their place in the data set.
#[derive(Clone, Debug)]
pub struct Twin {
    pub layout: Arrangement,
    world: World,
    purpose: Purpose,
}

/// One image: a person's id in the world and the condition.
#[derive(Clone, Debug)]
pub struct Item {
    pub identity: u64,
    pub condition: Condition,
}

/// Who is on an image of a watchlist.
enum Watched {
    /// The person, and the number of the picture within the person.
    Known(u64, u64),
    Stranger(u64),
}

/// The twin that a specification describes.
///
/// # Errors
/// [`Error::Usage`] for an unknown world, twin or size key, or a size that cannot be rendered.
pub fn twin(spec: &SynthSpec) -> Result<Twin> {
    let world = World::new(&spec.world, SEED)?;
    let info = info(&spec.twin)?;
    let size = sizes(info, &spec.size)?;
    let get = |key: &str| size[key];
    let layout = match info.purpose {
        Purpose::Train | Purpose::NoisyTrain => {
            let (identities, images) = (get("identities"), get("images"));
            at_least(info, "identities", identities, 2)?;
            at_least(info, "images", images, 1)?;
            Arrangement::Train { identities, images }
        }
        Purpose::Outliers => {
            at_least(info, "images", get("images"), 2)?;
            Arrangement::Train {
                identities: get("images"),
                images: 1,
            }
        }
        Purpose::TinyFace => {
            let (people, images) = (get("probes"), get("images"));
            at_least(info, "probes", people, 2)?;
            at_least(info, "images", images, 2)?;
            at_least(info, "distractors", get("distractors"), 1)?;
            Arrangement::Gallery {
                people,
                probes: images / 2,
                gallery: images.div_ceil(2),
                distractors: get("distractors"),
            }
        }
        Purpose::Megaface => {
            let (probes, images) = (get("probes"), get("images"));
            at_least(info, "probes", probes, 1)?;
            at_least(info, "images", images, 2)?;
            at_least(info, "distractors", get("distractors"), 1)?;
            Arrangement::Identification {
                probes,
                images,
                distractors: get("distractors"),
            }
        }
        Purpose::Watchlist => {
            let (people, images) = (get("probes"), get("images"));
            at_least(info, "probes", people, 2)?;
            at_least(info, "images", images, 2)?;
            at_least(info, "strangers", get("strangers"), 1)?;
            Arrangement::Watchlist {
                people,
                probes: images / 2,
                gallery: images.div_ceil(2),
                strangers: get("strangers"),
            }
        }
        Purpose::Ijb => {
            let (people, images) = (get("people"), get("images"));
            // Each of the two galleries knows some of them, and neither knows all.
            at_least(info, "people", people, 5)?;
            if people > templates::MOST_PEOPLE {
                return Err(Error::Usage(format!(
                    "twin `{}`: `people` is {people}, want at most {} (its list has two pairs for any two \
                     people)",
                    info.name,
                    templates::MOST_PEOPLE
                )));
            }
            if images == 0 || !images.is_multiple_of(4) {
                return Err(Error::Usage(format!(
                    "twin `{}`: `images` is {images}, want a multiple of 4 (a quarter in the gallery, a \
                     quarter of stills and two videos of a quarter each among the probes)",
                    info.name
                )));
            }
            Arrangement::Templates { people, images }
        }
        Purpose::Rfw => {
            let pairs = get("pairs");
            if pairs == 0 || !pairs.is_multiple_of(20 * POPULATIONS) {
                return Err(Error::Usage(format!(
                    "twin `{}`: `pairs` is {pairs}, want a multiple of {} ({POPULATIONS} groups of ten folds, \
                     half of each genuine)",
                    info.name,
                    20 * POPULATIONS
                )));
            }
            Arrangement::Groups {
                pairs: draw_groups(info.purpose, pairs),
            }
        }
        _ => {
            let pairs = get("pairs");
            if pairs == 0 || !pairs.is_multiple_of(20) {
                return Err(Error::Usage(format!(
                    "twin `{}`: `pairs` is {pairs}, want a multiple of 20 (ten folds, half of each genuine)",
                    info.name
                )));
            }
            Arrangement::Pairs {
                pairs: draw_pairs(info.purpose, pairs),
            }
        }
    };
    Ok(Twin {
        layout,
        world,
        purpose: info.purpose,
    })
}

impl Twin {
    /// Number of images.
    pub fn len(&self) -> u64 {
        match &self.layout {
            Arrangement::Train { identities, images } => identities * images,
            Arrangement::Templates { people, images } => people * images,
            Arrangement::Pairs { pairs } | Arrangement::Groups { pairs } => 2 * pairs.len() as u64,
            several => several.parts().last().map_or(0, |(_, last)| last.end),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The person that image `i` is said to show, counted within the twin: the class of a
    /// training image, the label of a probe or of a gallery image, the index of a distractor. It
    /// is the person in it, but for the noise of `noisy-train`.
    pub fn label(&self, i: u64) -> u64 {
        match &self.layout {
            Arrangement::Train { images, .. } | Arrangement::Templates { images, .. } => i / images,
            Arrangement::Pairs { pairs } | Arrangement::Groups { pairs } => {
                pairs[(i / 2) as usize].people[(i % 2) as usize]
            }
            Arrangement::Identification { probes, images, .. } => {
                if i < probes * images {
                    i / images
                } else {
                    i - probes * images
                }
            }
            Arrangement::Gallery { .. } => self.in_gallery(i).0,
            Arrangement::Watchlist { people, .. } => match self.on_watchlist(i) {
                Watched::Known(person, _) => person,
                Watched::Stranger(stranger) => people + stranger,
            },
        }
    }

    /// Who is on image `i` of a watchlist, and which picture of that person it is: the gallery has
    /// the first ones.
    fn on_watchlist(&self, i: u64) -> Watched {
        match self.layout {
            Arrangement::Watchlist {
                people,
                probes,
                gallery,
                strangers,
            } => {
                let (second, third) = (people * probes, people * probes + strangers);
                if i < second {
                    Watched::Known(i / probes, gallery + i % probes)
                } else if i < third {
                    Watched::Stranger(i - second)
                } else {
                    Watched::Known((i - third) / gallery, (i - third) % gallery)
                }
            }
            _ => Watched::Known(i, 0),
        }
    }

    /// Who is on image `i` of a gallery twin, counted among the probes' people or among the
    /// distractors, and which picture of that person it is: the gallery has the first ones.
    fn in_gallery(&self, i: u64) -> (u64, u64) {
        match self.layout {
            Arrangement::Gallery {
                people,
                probes,
                gallery,
                ..
            } => {
                let (second, third) = (people * probes, people * (probes + gallery));
                if i < second {
                    (i / probes, gallery + i % probes)
                } else if i < third {
                    ((i - second) / gallery, (i - second) % gallery)
                } else {
                    (i - third, 0)
                }
            }
            _ => (i, 0),
        }
    }

    /// The world's id of the person in image `i`; where it shows none, a number that is no
    /// person's. Ids of different twins, and of probes and distractors or strangers, lie in disjoint
    /// ranges.
    pub fn identity(&self, i: u64) -> u64 {
        if let (Arrangement::Watchlist { .. }, Watched::Stranger(stranger)) =
            (&self.layout, self.on_watchlist(i))
        {
            return self.purpose.distractors() << 40 | stranger;
        }
        let parts = self.layout.parts();
        let range = match parts.last() {
            Some(("distractors", part)) if i >= part.start => self.purpose.distractors(),
            _ => self.purpose.range(),
        };
        range << 40 | self.shown(i)
    }

    /// The person in image `i`, counted within the twin.
    fn shown(&self, i: u64) -> u64 {
        let label = self.label(i);
        match (self.purpose, &self.layout) {
            (Purpose::NoisyTrain, Arrangement::Train { identities, .. }) => {
                let mut s = Stream::derive(SEED, "synth-noise", &[*identities, i]);
                match s.chance(NOISE) {
                    true => (label + 1 + s.below(identities - 1)) % identities,
                    false => label,
                }
            }
            _ => label,
        }
    }

    /// Whether anybody stands under another's name.
    pub fn is_noisy(&self) -> bool {
        self.purpose == Purpose::NoisyTrain
    }

    /// Image `i`: who and how.
    pub fn item(&self, i: u64) -> Item {
        let identity = self.identity(i);
        let number = match &self.layout {
            // Another picture of the person than any under the right name.
            Arrangement::Train { .. } if self.shown(i) != self.label(i) => MOST + i,
            // A picture's number within the person does not depend on the size of the set.
            Arrangement::Train { images, .. } => i % images,
            Arrangement::Identification { probes, images, .. } if i < probes * images => i % images,
            Arrangement::Identification { .. } => 0,
            Arrangement::Gallery { .. } => self.in_gallery(i).1,
            Arrangement::Watchlist { .. } => match self.on_watchlist(i) {
                Watched::Known(_, picture) => picture,
                Watched::Stranger(_) => 0,
            },
            Arrangement::Templates { images, .. } => i % images,
            Arrangement::Pairs { .. } | Arrangement::Groups { .. } => i,
        };
        let profile = profile(self.purpose, i);
        let mut condition = self.world.condition(identity, number, &profile);
        if let Arrangement::Templates { images, .. } = self.layout {
            let first = templates::Place::of(i % images, images).first;
            let begin = self.world.condition(identity, first, &profile);
            condition = templates::frame(begin, condition);
        }
        if self.purpose == Purpose::TinyFace {
            // The fewer pixels, the less sure is a detector of its landmarks.
            condition.detector = condition.detector.map(|p| p.map(|error| 2.0 * error));
        }
        Item {
            identity,
            condition,
        }
    }

    /// Image `i`, aligned but for outliers, as JPEG. Any thread may ask for any image.
    ///
    /// # Errors
    /// [`Error::Bug`] if `i` is not below [`Twin::len`] or the encoder fails.
    pub fn render_jpeg(&self, i: u64) -> Result<Vec<u8>> {
        if i >= self.len() {
            return Err(Error::Bug(format!("image {i} of a twin of {}", self.len())));
        }
        let Item {
            identity,
            condition,
        } = self.item(i);
        let person = || self.world.identity(identity);
        let jpeg = condition.camera.jpeg;
        match self.purpose {
            Purpose::Outliers if i.is_multiple_of(2) => {
                encode_jpeg(&photo::photo(&person(), &condition), jpeg)
            }
            Purpose::Outliers => encode_jpeg(&texture::texture(identity, &condition), jpeg),
            Purpose::TinyFace => {
                let near = self.world.render(&person(), &condition).image;
                encode_jpeg(&tiny::tiny(&near, identity, &condition)?, tiny::JPEG)
            }
            _ => encode_jpeg(&self.world.render(&person(), &condition).image, jpeg),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::ops::Range;

    fn spec(name: &str, size: &[(&str, u64)]) -> SynthSpec {
        SynthSpec {
            world: "v1".into(),
            twin: name.into(),
            size: size.iter().map(|(k, v)| (k.to_string(), *v)).collect(),
        }
    }

    #[test]
    fn folds_are_balanced_disjoint_and_impostors_share_a_population() {
        for (name, pairs) in [("lfw", 20), ("agedb-30", 600), ("cfp-fp", 7000)] {
            let t = twin(&spec(name, &[("pairs", pairs)])).unwrap();
            let Arrangement::Pairs { pairs } = &t.layout else {
                panic!()
            };
            let fold = pairs.len() / 10;
            let mut last = 0;
            for f in pairs.chunks(fold) {
                assert_eq!(f.iter().filter(|p| p.same()).count() * 2, fold);
                let people = || f.iter().flat_map(|p| p.people);
                assert!(people().min().unwrap() >= last);
                last = people().max().unwrap();
                assert!(f.iter().all(|p| p.people[0] % 4 == p.people[1] % 4));
            }
            assert_eq!(t.len(), 2 * pairs.len() as u64);
        }
    }

    #[test]
    fn each_group_is_of_one_population_with_folds_of_its_own() {
        for count in [80, 1200] {
            let t = twin(&spec("rfw", &[("pairs", count)])).unwrap();
            let Arrangement::Groups { pairs } = &t.layout else {
                panic!()
            };
            assert_eq!(t.len(), 2 * count);
            let mut seen = BTreeMap::new();
            for (g, group) in pairs.chunks(pairs.len() / 4).enumerate() {
                assert!(group.iter().all(|p| p.group() == group[0].group()));
                for (f, fold) in group.chunks(group.len() / 10).enumerate() {
                    assert_eq!(fold.iter().filter(|p| p.same()).count() * 2, fold.len());
                    for person in fold.iter().flat_map(|p| p.people) {
                        assert_eq!(person % 4, g as u64);
                        assert_eq!(*seen.entry(person).or_insert((g, f)), (g, f));
                    }
                }
            }
            for i in 0..t.len() {
                let person = t.world.identity(t.identity(i));
                assert_eq!(person.population as u64, t.label(i) % 4);
            }
        }
    }

    #[test]
    fn age_pairs_are_thirty_years_apart_and_profile_pairs_are_frontal_and_profile() {
        let t = twin(&spec("agedb-30", &[("pairs", 100)])).unwrap();
        for j in 0..100 {
            let gap = t.item(2 * j).condition.age - t.item(2 * j + 1).condition.age;
            assert!((gap.abs() - 30.0).abs() < 1e-4);
        }
        let t = twin(&spec("cfp-fp", &[("pairs", 100)])).unwrap();
        for j in 0..100 {
            assert!(t.item(2 * j).condition.yaw.abs() < 0.22);
            assert!(t.item(2 * j + 1).condition.yaw.abs() > 1.04);
        }
    }

    #[test]
    fn twins_share_no_people() {
        let sets = [
            ("train", vec![("identities", 50), ("images", 2)]),
            ("noisy-train", vec![("identities", 50), ("images", 2)]),
            ("lfw", vec![("pairs", 40)]),
            ("cfp-fp", vec![("pairs", 40)]),
            ("agedb-30", vec![("pairs", 40)]),
            (
                "megaface",
                vec![("probes", 5), ("images", 3), ("distractors", 50)],
            ),
            ("outliers", vec![("images", 40)]),
            ("rfw", vec![("pairs", 80)]),
            (
                "watchlist",
                vec![("probes", 5), ("images", 3), ("strangers", 50)],
            ),
            ("ijb", vec![("people", 5), ("images", 4)]),
            (
                "tinyface",
                vec![("probes", 5), ("images", 3), ("distractors", 50)],
            ),
        ];
        let mut seen = BTreeMap::new();
        for (name, size) in &sets {
            let t = twin(&spec(name, size)).unwrap();
            for i in 0..t.len() {
                let id = t.identity(i);
                assert_eq!(*seen.entry(id).or_insert(*name), *name);
            }
        }
    }

    #[test]
    fn a_tenth_of_a_noisy_set_shows_somebody_else() {
        let t = twin(&spec("noisy-train", &[("identities", 40), ("images", 50)])).unwrap();
        let person = |i: u64| t.identity(i) & ((1 << 40) - 1);
        let wrong: Vec<u64> = (0..t.len()).filter(|&i| person(i) != t.label(i)).collect();
        assert!((140..260).contains(&wrong.len()), "{}", wrong.len());
        assert!((0..t.len()).all(|i| person(i) < 40));
        // No picture is there twice.
        let (first, people) = (t.item(wrong[0]), (0..t.len()).filter(|&i| i != wrong[0]));
        let same = people.filter(|&i| t.identity(i) == first.identity);
        assert!(
            same.map(|i| t.item(i))
                .all(|item| item.condition != first.condition)
        );
        let clean = twin(&spec("train", &[("identities", 40), ("images", 50)])).unwrap();
        assert!((0..clean.len()).all(|i| clean.identity(i) == 1 << 40 | clean.label(i)));
    }

    #[test]
    fn probes_and_distractors_are_different_people() {
        let t = twin(&spec(
            "megaface",
            &[("probes", 5), ("images", 3), ("distractors", 50)],
        ))
        .unwrap();
        assert_eq!(t.len(), 65);
        assert!((0..15).all(|i| (15..65).all(|j| t.identity(i) != t.identity(j))));
        assert_eq!(t.label(14), 4);
        assert_eq!(t.label(15), 0);
    }

    #[test]
    fn every_probe_has_mates_in_the_gallery_and_no_picture_is_in_both() {
        let t = twin(&spec(
            "tinyface",
            &[("probes", 4), ("images", 5), ("distractors", 6)],
        ))
        .unwrap();
        assert_eq!(
            t.layout.parts(),
            [
                ("probes", 0..8),
                ("gallery", 8..20),
                ("distractors", 20..26)
            ]
        );
        let people = |range: Range<u64>| range.map(|i| t.label(i)).collect::<Vec<_>>();
        assert_eq!(people(0..8), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(people(8..20), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(people(20..26), [0, 1, 2, 3, 4, 5]);
        for i in 0..t.len() {
            for j in 0..i {
                let (a, b) = (t.item(i), t.item(j));
                assert_eq!(
                    a.identity == b.identity,
                    i < 20 && j < 20 && t.label(i) == t.label(j)
                );
                assert_ne!(a.condition, b.condition, "{i} {j}");
            }
        }
    }

    #[test]
    fn strangers_are_probes_alone_and_each_has_one_image() {
        let t = twin(&spec(
            "watchlist",
            &[("probes", 3), ("images", 3), ("strangers", 4)],
        ))
        .unwrap();
        assert_eq!(t.layout.parts(), [("probes", 0..7), ("gallery", 7..13)]);
        let labels: Vec<u64> = (0..13).map(|i| t.label(i)).collect();
        assert_eq!(labels, [0, 1, 2, 3, 4, 5, 6, 0, 0, 1, 1, 2, 2]);
        for i in 0..13 {
            for j in 0..i {
                assert_eq!(
                    t.identity(i) == t.identity(j),
                    labels[i as usize] == labels[j as usize]
                );
                assert_ne!(t.item(i).condition, t.item(j).condition, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_picture_does_not_depend_on_how_many_there_are() {
        let outlier = |count| twin(&spec("outliers", &[("images", count)])).unwrap();
        for i in 0..4 {
            assert_eq!(
                outlier(4).render_jpeg(i).unwrap(),
                outlier(9).render_jpeg(i).unwrap()
            );
        }
        let faces = |people, distractors| {
            let size = [
                ("probes", people),
                ("images", 2),
                ("distractors", distractors),
            ];
            twin(&spec("tinyface", &size)).unwrap()
        };
        let (small, large) = (faces(2, 1), faces(3, 5));
        // A probe, an image of the gallery and a distractor.
        for (i, j) in [(1, 1), (3, 4), (4, 6)] {
            assert_eq!(small.render_jpeg(i).unwrap(), large.render_jpeg(j).unwrap());
        }
    }

    #[test]
    fn wrong_specifications_say_what_would_be_right() {
        let message = |s: SynthSpec| twin(&s).unwrap_err().to_string();
        assert!(message(spec("lwf", &[])).contains("did you mean `lfw`"));
        assert!(message(spec("lfw", &[("pairs", 601)])).contains("multiple of 20"));
        assert!(message(spec("ijb", &[("images", 6)])).contains("multiple of 4"));
        assert!(message(spec("ijb", &[("people", 3001)])).contains("at most 3000"));
        assert!(message(spec("watchlist", &[("strangers", 0)])).contains("at least 1"));
        assert!(message(spec("rfw", &[("pairs", 60)])).contains("multiple of 80"));
        assert!(message(spec("lfw", &[("images", 3)])).contains("its sizes are pairs"));
        assert!(message(spec("train", &[("identities", 1)])).contains("at least 2"));
        assert!(message(spec("train", &[("images", 1 << 60)])).contains("at most"));
        let mut old = spec("lfw", &[]);
        old.world = "v0".into();
        assert!(message(old).contains("unknown face world `v0`"));
    }

    #[test]
    fn an_image_of_a_person_does_not_depend_on_the_size_of_the_set() {
        let small = twin(&spec("train", &[("identities", 3), ("images", 4)])).unwrap();
        let large = twin(&spec("train", &[("identities", 9), ("images", 5)])).unwrap();
        assert_eq!(small.render_jpeg(6).unwrap(), large.render_jpeg(7).unwrap());
        assert!(small.render_jpeg(12).is_err());
    }
}
