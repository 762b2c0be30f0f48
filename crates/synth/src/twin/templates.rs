//! Templates as IJB has them: who is in which, what is compared with what, what is searched in what.
//!
//! Of a person's images the first quarter are stills for the gallery. The second are stills of the
//! first probe, the third a video of it, the fourth the video that the second probe is. A still is a
//! medium of its own; frames of a video are one, and differ in pose, expression and noise alone.
//!
//! Of five people two are in gallery G1, two in G2, and one in neither.

use super::super::condition::Condition;
use super::{Arrangement, Twin};
use frbench_data::align::TEMPLATE_112;
use std::fmt::Write;

/// The folder of the images, `1.jpg`, `2.jpg`, ...
pub const IMAGES: &str = "loose_crop";

/// Lists of images and pairs.
const MEMBERS: &str = "meta/ijb_face_tid_mid.txt";
const PAIRS: &str = "meta/ijb_template_pair_label.txt";
const DETECTIONS: &str = "meta/ijb_name_5pts_score.txt";

/// Tables of 1:N.
const GALLERIES: [&str; 2] = ["meta/ijb_1N_gallery_G1.csv", "meta/ijb_1N_gallery_G2.csv"];
const PROBES: &str = "meta/ijb_1N_probe_mixed.csv";

/// The list of pairs is as long as twice the square of this: 18 million, where IJB-C has 15.7.
pub const MOST_PEOPLE: u64 = 3_000;

/// Where an image of a person belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the person's templates: 0 is that of the gallery, 1 and 2 are probes.
    template: u64,
    /// The first image of its medium.
    pub first: u64,
}

impl Place {
    /// That of image `k` of the `images` of a person, a multiple of 4.
    pub fn of(k: u64, images: u64) -> Place {
        let quarter = images / 4;
        let (template, first) = match k / quarter {
            0 => (0, k),
            1 => (1, k),
            2 => (1, 2 * quarter),
            _ => (2, 3 * quarter),
        };
        Place { template, first }
    }
}

/// The condition of a frame: that in which its video began, with a pose, an expression and noise of
/// its own. A still begins itself.
pub fn frame(begin: Condition, own: Condition) -> Condition {
    Condition {
        yaw: own.yaw,
        pitch: own.pitch,
        roll: own.roll,
        expression: own.expression,
        detector: own.detector,
        seed: own.seed,
        ..begin
    }
}

/// The number of a person's template.
fn template(person: u64, template: u64) -> u64 {
    3 * person + template + 1
}

/// The gallery that knows a person.
fn gallery(person: u64) -> Option<usize> {
    match person % 5 {
        0 | 2 => Some(0),
        1 | 3 => Some(1),
        _ => None,
    }
}

/// Every list of a set of templates, with its text; nothing for other twins.
pub fn lists(twin: &Twin) -> Vec<(&'static str, String)> {
    let Arrangement::Templates { people, .. } = twin.layout else {
        return Vec::new();
    };
    let (members, detections) = of_images(twin);
    // The probe first: of every probe a table says who is on it.
    let mut pairs = String::new();
    for a in 0..people {
        for b in 0..people {
            for probe in 1..=2 {
                let same = u8::from(a == b);
                let _ = writeln!(pairs, "{} {} {same}", template(b, probe), template(a, 0));
            }
        }
    }
    [(MEMBERS, members), (PAIRS, pairs), (DETECTIONS, detections)]
        .into_iter()
        .chain(tables(twin))
        .collect()
}

/// The tables of 1:N, which say who is on a template.
pub fn tables(twin: &Twin) -> Vec<(&'static str, String)> {
    let Arrangement::Templates { people, .. } = twin.layout else {
        return Vec::new();
    };
    let table = |rows: &mut dyn Iterator<Item = (u64, u64)>| {
        let mut text = String::from("TEMPLATE_ID,SUBJECT_ID\n");
        for (template, person) in rows {
            let _ = writeln!(text, "{template},{}", person + 1);
        }
        text
    };
    let known = |g: usize| (0..people).filter(move |&p| gallery(p) == Some(g));
    let mut tables: Vec<(&str, String)> = Vec::new();
    for (g, name) in GALLERIES.into_iter().enumerate() {
        tables.push((name, table(&mut known(g).map(|p| (template(p, 0), p)))));
    }
    let probes = (0..people).flat_map(|p| [1, 2].map(|t| (template(p, t), p)));
    tables.push((PROBES, table(&mut { probes })));
    tables
}

/// The template and medium of each image, and its landmarks with the detector's score. Images are
/// aligned, so that their landmarks are those of the alignment. The more a face is turned, the less
/// sure is the detector.
fn of_images(twin: &Twin) -> (String, String) {
    let Arrangement::Templates { images, .. } = twin.layout else {
        return Default::default();
    };
    let points = TEMPLATE_112.as_flattened().iter();
    let points: String = points.map(|v| format!("{v} ")).collect();
    let (mut members, mut detections) = (String::new(), String::new());
    for i in 0..twin.len() {
        let (person, k) = (i / images, i % images);
        let place = Place::of(k, images);
        let medium = person * images + place.first + 1;
        let n = i + 1;
        let _ = writeln!(
            members,
            "{n}.jpg {} {medium}",
            template(person, place.template)
        );
        let condition = twin.item(i).condition;
        let [yaw, pitch] = [condition.yaw, condition.pitch].map(f64::from);
        let score = 1.0 / (1.0 + yaw * yaw + pitch * pitch);
        let _ = writeln!(detections, "{n}.jpg {points}{score:.4}");
    }
    (members, detections)
}

#[cfg(test)]
mod tests {
    use super::super::{Twin, twin};
    use super::*;
    use frbench_job::SynthSpec;
    use std::collections::BTreeMap;

    fn made(people: u64, images: u64) -> Twin {
        let size = [("people".to_owned(), people), ("images".to_owned(), images)];
        twin(&SynthSpec {
            world: "v1".into(),
            twin: "ijb".into(),
            size: size.into(),
        })
        .unwrap()
    }

    #[test]
    fn every_gallery_knows_some_probes_and_does_not_know_others() {
        let t = made(10, 8);
        let tables: BTreeMap<&str, String> = tables(&t).into_iter().collect();
        let rows = |name: &str| -> Vec<(u64, u64)> {
            let row = |line: &str| {
                let (t, s) = line.split_once(',').unwrap();
                (t.parse().unwrap(), s.parse().unwrap())
            };
            tables[name].lines().skip(1).map(row).collect()
        };
        let [first, second] = GALLERIES.map(rows);
        assert_eq!(first, [(1, 1), (7, 3), (16, 6), (22, 8)]);
        assert_eq!(second, [(4, 2), (10, 4), (19, 7), (25, 9)]);
        let probes = rows(PROBES);
        assert_eq!(probes.len(), 20);
        assert_eq!(&probes[..3], [(2, 1), (3, 1), (5, 2)]);
    }

    #[test]
    fn frames_of_a_video_are_one_medium_of_one_scene() {
        let t = made(5, 8);
        let lists: BTreeMap<&str, String> = lists(&t).into_iter().collect();
        let members: Vec<&str> = lists[MEMBERS].lines().collect();
        // Of the second person: two stills for the gallery, two stills and a video, a video.
        assert_eq!(
            &members[8..16],
            [
                "9.jpg 4 9",
                "10.jpg 4 10",
                "11.jpg 5 11",
                "12.jpg 5 12",
                "13.jpg 5 13",
                "14.jpg 5 13",
                "15.jpg 6 15",
                "16.jpg 6 15",
            ]
        );
        let of = |i: u64| t.item(i).condition;
        assert_eq!(of(12).light, of(13).light);
        assert_ne!(of(12).yaw, of(13).yaw);
        assert_ne!(of(12).light, of(14).light);
        assert_ne!(of(10).light, of(11).light);
        assert_eq!(lists[PAIRS].lines().count(), 50);
        assert_eq!(
            lists[PAIRS].lines().filter(|l| l.ends_with(" 1")).count(),
            10
        );
        assert_eq!(lists[DETECTIONS].lines().count(), 40);
    }
}
