//! Images that are missing or damaged, in sets with probes, galleries and templates: what becomes
//! of the rates, which are known without the code that computes them.

use crate::common::miniatures::*;
use crate::common::scoring::metric;
use crate::folder::{declared, put, score};
use frbench::data::manifest::{describe, read};
use frbench::data::seen::Seen;
use frbench::data::set::open_watched;
use frbench::data::stamps::Stamps;
use frbench::data::watch::UNWATCHED;
use frbench::job::result::DataResult;
use frbench::job::{Damaged, DataSpec, Missing, Rules};
use frbench::plan::full_identity;
use frbench::protocol::Scored;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const LEFT_OUT: Rules = Rules {
    damaged: Damaged::Skip,
    missing: Missing::Miss,
    strict: false,
    aligned: false,
};

/// A miniature on disk.
struct Set {
    root: tempfile::TempDir,
    of: Miniature,
}

impl Set {
    fn new(of: Miniature) -> Set {
        let root = tempfile::tempdir().unwrap();
        (of.write)(&root.path().join("set"));
        Set { root, of }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root().join("set").join(file)
    }

    fn spec(&self, rules: Rules) -> DataSpec {
        declared("set", self.of.format, self.of.files, rules)
    }

    fn lose(&self, files: &[&str]) {
        files
            .iter()
            .for_each(|f| fs::remove_file(self.path(f)).unwrap());
    }

    fn damage(&self, files: &[&str]) {
        for file in files {
            let whole = fs::read(self.path(file)).unwrap();
            fs::write(self.path(file), &whole[..whole.len() / 2]).unwrap();
        }
    }

    fn found(&self) -> DataResult {
        describe(&self.spec(LEFT_OUT), self.root()).unwrap()
    }

    fn refused(&self, rules: Rules) -> String {
        let error = describe(&self.spec(rules), self.root()).expect_err("an error");
        assert_eq!(error.exit_code(), 5, "{error}");
        error.to_string()
    }

    fn score(&self, protocol: &str, params: &[(&str, Value)]) -> Scored {
        score(self.root(), &self.spec(LEFT_OUT), protocol, params)
    }

    fn gallery(&self) -> Scored {
        let scored = self.score("gallery-identification", &[("ranks", json!([1, 34]))]);
        // Whoever can be found is, at the last of the 34 ranks.
        assert!(metric(&scored, "rank-1") <= metric(&scored, "rank-34"));
        scored
    }

    /// The names of the images of the folders of TinyFace.
    fn list_folders(&self) {
        for (folder, list) in [
            ("Probe", "probes.txt"),
            ("Gallery_Match", "gallery.txt"),
            ("Gallery_Distractor", "distractors.txt"),
        ] {
            let files = fs::read_dir(self.path(folder)).unwrap();
            let names = files.map(|f| f.unwrap().file_name().into_string().unwrap() + "\n");
            put(self.path(list), names.collect::<String>());
        }
    }
}

#[track_caller]
fn is(scored: &Scored, id: &str, want: f64) {
    let found = metric(scored, id);
    assert!((found - want).abs() < 1e-12, "{id}: {found}, want {want}");
}

#[track_caller]
fn says(notes: &[String], words: &str) {
    assert!(
        notes.iter().any(|n| n.contains(words)),
        "{words}: {notes:?}"
    );
}

/// A damaged image and a missing one make the same set, and a set that lacks nothing is what it is
/// under other rules.
fn either_way(of: fn() -> Set, files: &[&str]) {
    let (whole, missing, damaged) = (of(), of(), of());
    let found = whole.found();
    let plain = describe(&whole.spec(Rules::default()), whole.root()).unwrap();
    assert_eq!(found.pixels_sha256, plain.pixels_sha256);
    assert_eq!(found.facts_sha256, plain.facts_sha256);
    assert!(!found.counts.keys().any(|k| k.starts_with("lost")));
    missing.lose(files);
    damaged.damage(files);
    for set in [&missing, &damaged] {
        let error = set.refused(Rules::default());
        assert!(error.contains(files[0]), "{error}");
        assert_ne!(full_identity(&set.found()), full_identity(&found));
    }
    let (missing, damaged) = (missing.found(), damaged.found());
    assert_eq!(full_identity(&missing), full_identity(&damaged));
    assert_eq!(missing.counts, damaged.counts);
    assert_eq!(missing.images, damaged.images);
}

fn tinyface() -> Set {
    let set = Set::new(TINYFACE);
    set.list_folders();
    set
}

/// 24 probes; the wrong one is lost.
#[test]
fn tinyface_counts_lost_probes_and_probes_without_a_mate() {
    let set = tinyface();
    is(&set.gallery(), "rank-1", TINY_RANK_1);
    set.lose(&["Probe/2_1.png"]);
    set.damage(&["Probe/3_0.png"]);
    let scored = set.gallery();
    is(&scored, "rank-1", 21.0 / 24.0);
    is(&scored, "rank-34", 22.0 / 24.0);
    let note = "failure to acquire: 2 of 24 probes are missing or damaged";
    says(&scored.result.notes, note);
    // Person 4 keeps one of four images in the gallery, person 5 none: its probes stay, missed.
    set.lose(&["Gallery_Match/4_0.png", "Gallery_Match/4_1.png"]);
    set.damage(&["Gallery_Match/4_2.png"]);
    let all: Vec<String> = (0..4).map(|n| format!("Gallery_Match/5_{n}.png")).collect();
    set.lose(&all.iter().map(String::as_str).collect::<Vec<_>>());
    set.lose(&["Gallery_Distractor/3.png"]);
    let scored = set.gallery();
    is(&scored, "rank-1", 17.0 / 24.0);
    is(&scored, "rank-34", 18.0 / 24.0);
    let notes = &scored.result.notes;
    says(
        notes,
        "7 images of the gallery and 1 distractors are missing",
    );
    says(notes, "4 of 24 probes have no other image of their person");
    let found = set.found();
    let count = |name: &str| found.counts[name];
    assert_eq!((count("probes"), count("lost_probes")), (22, 2));
    assert_eq!((count("gallery"), count("lost_gallery_images")), (17, 7));
    assert_eq!((count("distractors"), count("lost_distractors")), (9, 1));
    says(
        &found.notes,
        "1 probes that the list names are missing; each is a miss",
    );
    says(&found.notes, "1 pictures are damaged and left out");
    says(
        &found.notes,
        "6 images of the gallery that the list names are missing",
    );
    says(
        &found.notes,
        "1 distractors that the list names are missing",
    );
    // A lost probe whose person has no image in the gallery either is one trial, not two.
    set.lose(&["Probe/5_0.png"]);
    is(&set.gallery(), "rank-1", 17.0 / 24.0);
    // Nobody can be found any more.
    let all: Vec<String> = (0..4)
        .flat_map(|p| (0..4).map(move |n| format!("Gallery_Match/{p}_{n}.png")))
        .collect();
    set.lose(&all.iter().map(String::as_str).collect::<Vec<_>>());
    set.lose(&["Gallery_Match/4_3.png"]);
    let error = set.refused(LEFT_OUT);
    assert!(error.contains("no probe is left whose person"), "{error}");
    either_way(
        tinyface,
        &[
            "Probe/2_1.png",
            "Gallery_Match/1_1.png",
            "Gallery_Distractor/3.png",
        ],
    );
}

#[test]
fn folders_without_lists_do_not_say_what_is_missing() {
    let set = Set::new(TINYFACE);
    set.lose(&["Probe/2_1.png"]);
    let found = set.found();
    assert_eq!(found.counts["probes"], 23);
    says(
        &found.notes,
        "what is missing is not known, since no probes.txt says",
    );
    is(&set.gallery(), "rank-1", 22.0 / 23.0);
    // What a list does not name is left out, which is said.
    set.list_folders();
    let list = fs::read_to_string(set.path("gallery.txt")).unwrap();
    put(set.path("gallery.txt"), list.replace("0_0.png\n", ""));
    let found = set.found();
    assert_eq!(found.counts["gallery"], 23);
    says(&found.notes, "1 images are in no line of");
    for (text, words) in [
        ("0_1.png\n0_1.png\n", "listed twice"),
        ("", "names no image"),
    ] {
        put(set.path("gallery.txt"), text);
        let error = set.refused(LEFT_OUT);
        assert!(
            error.contains(words) && error.contains("gallery.txt"),
            "{error}"
        );
    }
}

fn megaface_set() -> Set {
    Set::new(MEGAFACE)
}

/// 72 ordered pairs of one person, 6 of them with the wrong probe, and 240 comparisons with
/// distractors.
#[test]
fn megaface_counts_lost_pairs_and_comparisons() {
    let set = megaface_set();
    let fars = ("fars", json!([5e-3, 0.97]));
    let score = || set.score("identification", std::slice::from_ref(&fars));
    is(&score(), "rank-1", RANK_1);
    // Strangers are more alike than the wrong pairs.
    is(&score(), "tar@far=5e-3", 66.0 / 72.0);
    set.lose(&[
        "facescrub_images/A 2/A 2_1.png",
        "megaface_images/1/4/0.png",
    ]);
    let scored = score();
    is(&scored, "rank-1", 60.0 / 72.0);
    is(&scored, "tar@far=5e-3", 60.0 / 72.0);
    // Of 216 comparisons 207 can be made; 97 % of them all reach into the others, and everything
    // that can be compared is accepted.
    is(&scored, "tar@far=9.7e-1", 66.0 / 72.0);
    let notes = &scored.result.notes;
    says(
        notes,
        "failure to acquire: 1 probes are missing or damaged; 6 of 72 ordered pairs",
    );
    says(notes, "9 comparisons with distractors are non-matches");
    says(
        notes,
        "failure to enrol: 1 distractors are missing or damaged and left out, 9 are left",
    );
    // A second one of the same person shares two pairs with the first.
    set.damage(&[
        "facescrub_images/A 2/A 2_0.png",
        "megaface_images/1/5/0.png",
    ]);
    let scored = score();
    is(&scored, "rank-1", 56.0 / 72.0);
    says(
        &scored.result.notes,
        "2 probes are missing or damaged; 10 of 72 ordered pairs",
    );
    let found = set.found();
    let count = |name: &str| found.counts[name];
    assert_eq!((count("probes"), count("lost_probes")), (22, 2));
    assert_eq!((count("distractors"), count("lost_distractors")), (8, 2));
    says(&found.notes, "1 probes that the list names are missing");
    says(&found.notes, "2_0.png");
    // Noise is left out, whether it is there or not, and nothing else changes its place.
    put(set.path("facescrub_noises.txt"), "A_2_1.png\nA_1_3.png\n");
    put(set.path("megaface_noises.txt"), "1/4/0.png\n1/6/0.png\n");
    let scored = score();
    // Person 1 and person 2 have three probes each, of which person 2 has lost one.
    is(
        &scored,
        "rank-1",
        (4.0 * 12.0 + 6.0 + 2.0) / (4.0 * 12.0 + 2.0 * 6.0),
    );
    let found = set.found();
    assert_eq!(found.counts["lost_probes"], 1);
    assert_eq!(found.counts["lost_distractors"], 1);
    assert_eq!(found.counts["noisy_probes"], 1);
    says(
        &scored.result.notes,
        "1 distractors are missing or damaged and left out, 7 are left",
    );
    either_way(
        megaface_set,
        &[
            "facescrub_images/A 0/A 0_1.png",
            "megaface_images/1/7/0.png",
        ],
    );
}

#[test]
fn megaface_without_pairs_or_distractors_is_refused() {
    let set = megaface_set();
    let all: Vec<String> = (0..10)
        .map(|k| format!("megaface_images/1/{k}/0.png"))
        .collect();
    set.damage(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let error = set.refused(LEFT_OUT);
    assert!(error.contains("no distractor is left"), "{error}");
    let set = megaface_set();
    for person in 0..6 {
        let all: Vec<String> = (1..4)
            .map(|n| format!("facescrub_images/A {person}/A {person}_{n}.png"))
            .collect();
        set.lose(&all.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let error = set.refused(LEFT_OUT);
    assert!(
        error.contains("no person has two probe images left"),
        "{error}"
    );
}

fn ijb() -> Set {
    Set::new(IJBC)
}

/// 12 genuine pairs, the wrong one of which is lost, and 40 impostor pairs.
#[test]
fn templates_lose_images_and_are_lost_with_the_last() {
    let set = ijb();
    let score = |selection: &str| {
        let params = [
            ("fars", json!([0.05])),
            ("norm", json!("unit")),
            ("detector_score", json!(true)),
            ("far_selection", json!(selection)),
        ];
        set.score("template-verification", &params)
    };
    let rate = |want: f64| {
        for selection in ["nearest", "exact"] {
            is(&score(selection), "tar@far=5e-2", want);
        }
    };
    rate(TAR);
    // Templates 3 and 10 have another image.
    set.lose(&["loose_crop/7.jpg"]);
    set.damage(&["loose_crop/21.jpg"]);
    rate(TAR);
    // Templates 8 and 14 have none left.
    set.lose(&[
        "loose_crop/17.jpg",
        "loose_crop/18.jpg",
        "loose_crop/29.jpg",
    ]);
    set.damage(&["loose_crop/30.jpg"]);
    rate(TAR - 2.0 / 12.0);
    let notes = score("nearest").result.notes;
    says(
        &notes,
        "failure to acquire: 6 images are missing or damaged",
    );
    // Impostor pair k is of the templates k % 12 and 12 + k % 11.
    let with = (0..40).filter(|k| k % 12 == 8 || k % 11 == 2).count();
    says(
        &notes,
        &format!("2 templates have no other image, so that 2 genuine and {with} impostor"),
    );
    says(&notes, "false accepts of 40");
    let found = set.found();
    let count = |name: &str| found.counts[name];
    assert_eq!((count("lost_images"), count("lost_templates")), (6, 2));
    assert_eq!((count("templates"), count("pairs")), (22, 52));
    says(
        &found.notes,
        "4 images that the list names are missing; a template without any other",
    );
    either_way(ijb, &["loose_crop/17.jpg", "loose_crop/18.jpg"]);
    // Of every genuine pair one template is gone.
    for image in (0..12).flat_map(|k| [4 * k + 1, 4 * k + 2]) {
        let _ = fs::remove_file(set.path(&format!("loose_crop/{image}.jpg")));
    }
    let error = set.refused(LEFT_OUT);
    let why = "none of the 12 genuine pairs has an image of both of its templates left";
    assert!(error.contains(why), "{error}");
}

#[test]
fn pairs_of_which_none_is_left_are_refused() {
    let set = Set::new(LFW);
    fs::remove_dir_all(set.path("images")).unwrap();
    fs::create_dir(set.path("images")).unwrap();
    let error = set.refused(LEFT_OUT);
    assert!(
        error.contains("none of the 20 impostor pairs has both of its images left")
            || error.contains("none of the 20 genuine pairs has both of its images left"),
        "{error}"
    );
}

/// Each reader asks while it reads whether to go on.
#[test]
fn every_reader_heeds_a_stop() {
    for of in [LFW, CALFW, AGEDB, CFP, MEGAFACE, TINYFACE, IJBC] {
        let set = Set::new(of);
        let asked = AtomicUsize::new(0);
        let count = |_, _, _: &'static str| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let spec = set.spec(LEFT_OUT);
        open_watched(&spec, set.root(), &count).unwrap();
        let all = asked.into_inner();
        assert!(all >= 2, "{}: {all}", set.of.name);
        // Whichever question is answered with an error, it is what comes out.
        for last in 0..all {
            let asked = AtomicUsize::new(0);
            let stop = |_, _, _: &'static str| match asked.fetch_add(1, Ordering::Relaxed) < last {
                true => Ok(()),
                false => Err(frbench::Error::Preempted("stop".into())),
            };
            let error = open_watched(&spec, set.root(), &stop).err().unwrap();
            assert_eq!(error.exit_code(), 75, "{}: {error}", set.of.name);
        }
        open_watched(&spec, set.root(), UNWATCHED).unwrap();
    }
}

/// What is described with what was seen before equals what is described anew.
#[test]
fn a_list_that_says_more_of_images_does_not_have_them_decoded_again() {
    let set = megaface_set();
    set.lose(&["megaface_images/1/4/0.png"]);
    set.damage(&["facescrub_images/A 2/A 2_0.png"]);
    let spec = set.spec(LEFT_OUT);
    let look = |before: Option<&Seen>| {
        let decoded = AtomicUsize::new(0);
        let watch = |_, _, unit: &'static str| {
            decoded.fetch_add(usize::from(unit == "images"), Ordering::Relaxed);
            Ok(())
        };
        let known = (&Stamps::default(), before);
        let (found, _, seen) = read(&spec, set.root(), known, &watch).unwrap();
        assert_eq!(found, describe(&spec, set.root()).unwrap());
        (decoded.into_inner(), seen)
    };
    let (decoded, seen) = look(None);
    assert_eq!(decoded, 33);
    assert_eq!(look(Some(&seen)), (0, seen.clone()));
    put(set.path("facescrub_noises.txt"), "A_1_3.png\nA_2_0.png\n");
    assert_eq!(look(Some(&seen)), (0, seen.clone()));
    // Another picture, or one less.
    put(set.path("facescrub_images/A 2/A 2_1.png"), face(2, 7));
    let (decoded, other) = look(Some(&seen));
    assert_eq!(decoded, 33);
    assert_ne!(other.pixels_sha256, seen.pixels_sha256);
    set.lose(&["facescrub_images/A 2/A 2_1.png"]);
    assert_eq!(look(Some(&other)).0, 32);
}
