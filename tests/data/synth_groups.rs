//! Sets of the face world that are read through their declarations: groups, watchlists, templates.

use frbench::Result;
use frbench::data::manifest;
use frbench::data::set::{DataSet, open};
use frbench::job::{DataSource, DataSpec, Description};
use frbench::run::data::hold_against_generator;
use frbench::suite::dataset;
use frbench::synth::write;
use std::collections::BTreeSet;
use std::path::Path;

/// A set of this name below `root`.
fn rendered(name: &str, root: &Path) -> (DataSpec, DataSet) {
    let spec = dataset::synth(name).unwrap();
    let DataSource::Synth(synth) = &spec.source else {
        panic!("{name}");
    };
    write(synth, &root.join(name), &mut |_, _| Ok(())).unwrap();
    let set = open(&spec, root).unwrap();
    (spec, set)
}

/// Holds what lies there against the generator.
fn held(spec: &DataSpec, root: &Path) -> Result<()> {
    let found = manifest::describe(spec, root).unwrap();
    hold_against_generator(spec, &found, &root.join(&spec.name))
}

/// The generator's refusal, after something was done to a file of the set.
fn refused(spec: &DataSpec, root: &Path) -> String {
    held(spec, root).unwrap_err().to_string()
}

#[test]
fn pairs_of_groups_say_their_groups_and_people() {
    let root = tempfile::tempdir().unwrap();
    let (spec, set) = rendered("synth-rfw-80-v1", root.path());
    let Description::Pairs(data) = &set.description else {
        panic!("no pairs");
    };
    let groups = data.groups.as_ref().unwrap();
    assert_eq!(
        groups.names,
        [
            "parameters-a",
            "parameters-b",
            "parameters-c",
            "parameters-d"
        ]
    );
    let expected: Vec<u32> = (0..80).map(|pair| pair / 20).collect();
    assert_eq!(groups.of, expected);
    // No person is in two groups.
    let people = data.identities.as_ref().unwrap();
    let of = |group: usize| -> BTreeSet<u32> {
        let pairs = &people[20 * group..20 * (group + 1)];
        pairs.iter().flat_map(|&(a, b)| [a, b]).collect()
    };
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        assert!(of(a).is_disjoint(&of(b)));
    }
    held(&spec, root.path()).unwrap();
    let dir = root.path().join(&spec.name);
    // Groups are in no hash of pixels; the generator says what they are.
    let file = dir.join("groups.txt");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("parameters-a", "parameters-b", 1)).unwrap();
    assert!(refused(&spec, root.path()).contains("groups.txt: not what the face world writes"));
    std::fs::remove_file(&file).unwrap();
    assert!(refused(&spec, root.path()).contains("groups.txt: missing"));
    std::fs::write(&file, "parameters-a\n").unwrap();
    let short = open(&spec, root.path()).err().unwrap().to_string();
    assert!(
        short.contains("groups.txt: 1 lines for 80 pairs"),
        "{short}"
    );
}

#[test]
fn a_watchlist_has_probes_of_people_whom_the_gallery_does_not_know() {
    let root = tempfile::tempdir().unwrap();
    let (spec, set) = rendered("synth-watchlist-2x3+2-v1", root.path());
    let Description::Gallery(data) = &set.description else {
        panic!("no gallery");
    };
    assert_eq!(data.probe_ids, [0, 1, 2, 3]);
    assert_eq!(data.gallery_ids, [0, 0, 1, 1]);
    assert_eq!(data.distractors, 0);
    held(&spec, root.path()).unwrap();
}

#[test]
fn templates_are_searched_in_two_galleries() {
    let root = tempfile::tempdir().unwrap();
    let (spec, set) = rendered("synth-ijb-5x4-v1", root.path());
    let Description::Templates(data) = &set.description else {
        panic!("no templates");
    };
    assert_eq!(data.template[..4], [1, 2, 2, 3]);
    assert_eq!(data.same.len(), 50);
    assert_eq!(data.same.iter().filter(|s| **s).count(), 10);
    let search = data.search.as_ref().unwrap();
    let known: Vec<&[u32]> = search.galleries.iter().map(|g| &g.subjects[..]).collect();
    assert_eq!(known, [&[1, 3][..], &[2, 4][..]]);
    assert_eq!(search.probes.templates.len(), 10);
    held(&spec, root.path()).unwrap();
    let dir = root.path().join(&spec.name);
    // A further table would be a further gallery.
    std::fs::copy(
        dir.join("meta/ijb_1N_gallery_G1.csv"),
        dir.join("meta/ijb_1N_gallery_S1.csv"),
    )
    .unwrap();
    let said = refused(&spec, root.path());
    assert!(
        said.contains("gallery_S1.csv: not a file of this set"),
        "{said}"
    );
}
