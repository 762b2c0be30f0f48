//! Sets in which not everybody is enrolled, and sets in groups: from files on disk, in the layouts in
//! which they are given out, to numbers that are known without any of the code that computes them.

use crate::common::miniatures::{
    IJBC, LFW, embedding, face, genuine_with, impostors_with, lfw_path, pairs,
};
use crate::common::scoring::metric;
use crate::folder::{declared, put, score};
use frbench::data::decode::decode;
use frbench::data::manifest::describe;
use frbench::data::set;
use frbench::job::{DataFormat, DataSpec, Description, Missing, ProtocolSpec, Rules};
use frbench::protocol;
use frbench::protocol::trials::{FILES, Trials};
use serde_json::json;
use std::path::Path;

fn spec(format: DataFormat, files: &[&str], rules: Rules) -> DataSpec {
    declared("set", format, files, rules)
}

const MISS: Rules = Rules {
    missing: Missing::Miss,
    ..RULES
};
const RULES: Rules = Rules {
    damaged: frbench::job::Damaged::Refuse,
    missing: Missing::Refuse,
    strict: false,
    aligned: false,
};

/// The 24 templates of [`IJBC`], two of a person, as 1:N: even ones of persons 0 to 5 in one gallery,
/// of persons 6 to 10 in the other; nobody enrols person 11. Odd ones are searched; of these number 5
/// shows a stranger. A table has a line for each image.
fn ijb_search(dir: &Path) {
    (IJBC.write)(dir);
    let table = |templates: &mut dyn Iterator<Item = usize>| {
        let mut text = "TEMPLATE_ID,SUBJECT_ID,FILENAME\n".to_string();
        for template in templates {
            let line = format!("{template},{},img/{template}.jpg\n", template / 2);
            text += &line.repeat(2);
        }
        text
    };
    let mut even = (0..12).step_by(2);
    put(dir.join("meta/ijbc_1N_gallery_G1.csv"), table(&mut even));
    let mut even = (12..22).step_by(2);
    put(dir.join("meta/ijbc_1N_gallery_G2.csv"), table(&mut even));
    let mut odd = (1..24).step_by(2);
    put(dir.join("meta/ijbc_1N_probe_mixed.csv"), table(&mut odd));
}

#[test]
fn ijb_search_by_gallery_and_over_both() {
    let root = tempfile::tempdir().unwrap();
    ijb_search(&root.path().join("set"));
    let of = |rule: &str| {
        let params = [
            ("norm", json!("unit")),
            ("detector_score", json!(true)),
            ("rule", json!(rule)),
            ("fpirs", json!([0.2])),
            ("ranks", json!([1])),
        ];
        let spec = spec(DataFormat::Templates, IJBC.files, RULES);
        score(root.path(), &spec, "template-identification", &params)
    };
    // Eleven people are enrolled, the probe of one shows somebody else, and one is not enrolled.
    for (rule, over_both) in [("insightface", 10.0 / 12.0), ("bob", 10.0 / 11.0)] {
        let scored = of(rule);
        for (id, want) in [
            ("rank-1", over_both),
            ("rank-1/gallery-1", 5.0 / 6.0),
            ("rank-1/gallery-2", 1.0),
            ("tpir@fpir=2e-1", (5.0 / 6.0 + 1.0) / 2.0),
            ("tpir@fpir=2e-1/gallery-1", 5.0 / 6.0),
            ("tpir@fpir=2e-1/gallery-2", 1.0),
        ] {
            let found = metric(&scored, id);
            assert!((found - want).abs() < 1e-12, "{rule} {id}: {found}");
        }
        let notes = &scored.result.notes;
        let said = |what: &str| notes.iter().any(|n| n.contains(what));
        assert!(
            said("1 of 12 probes are of people in no gallery"),
            "{notes:?}"
        );
        // At one in five, bob's threshold lets one of the 6 strangers to the first gallery pass; that
        // of insightface is the highest score of a stranger, and nobody is above it.
        let alarms = if rule == "bob" { 1 } else { 0 };
        let alarms = format!("{alarms} of 6 unknown probes raise an alarm");
        assert!(said(&alarms), "{notes:?}");
        assert!(scored.result.series["cmc"].len() > 2);
    }
}

#[test]
fn templates_of_searches_may_be_lost() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    ijb_search(&dir);
    // Both pictures of templates 0 (enrolled), 7 (searched, enrolled) and 23 (searched, a stranger).
    for image in [1, 2, 15, 16, 47, 48] {
        std::fs::remove_file(dir.join(format!("loose_crop/{image}.jpg"))).unwrap();
    }
    let params = [
        ("norm", json!("unit")),
        ("detector_score", json!(false)),
        ("fpirs", json!([0.2])),
        ("ranks", json!([1])),
    ];
    let spec = spec(DataFormat::Templates, IJBC.files, MISS);
    let scored = score(root.path(), &spec, "template-identification", &params);
    // Persons 0, 2 and 3 of six are missed in the first gallery.
    assert_eq!(metric(&scored, "rank-1/gallery-1"), 0.5);
    assert_eq!(metric(&scored, "tpir@fpir=2e-1/gallery-1"), 0.5);
    let notes = &scored.result.notes;
    let note = "without any other image are 1 templates of galleries, whose people are missed \
                (failure to enrol), and 2 probes";
    assert!(notes.iter().any(|n| n.contains(note)), "{notes:?}");
}

#[test]
fn a_search_that_cannot_be_made_is_told_before_anything_is_trained() {
    let refusal = |change: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        ijb_search(&root.path().join("set"));
        change(&root.path().join("set/meta"));
        let spec = spec(DataFormat::Templates, IJBC.files, RULES);
        let set = match set::open(&spec, root.path()) {
            Ok(set) => set,
            Err(e) => return e.to_string(),
        };
        let protocol = ProtocolSpec {
            name: "template-identification".into(),
            params: [("norm", json!("unit")), ("detector_score", json!(false))]
                .map(|(k, v)| (k.to_string(), v))
                .into(),
        };
        let checked = protocol::check(&protocol, &set.description);
        checked.err().map_or("fine".into(), |e| e.to_string())
    };
    assert_eq!(refusal(&|_| {}), "fine");
    let g1 = "ijbc_1N_gallery_G1.csv";
    let without =
        refusal(&|meta| std::fs::remove_file(meta.join("ijbc_1N_probe_mixed.csv")).unwrap());
    assert!(without.contains("*_1N_probe_mixed.csv"), "{without}");
    let one = refusal(&|meta| std::fs::remove_file(meta.join(g1)).unwrap());
    assert!(one.contains("the set has 1 galleries"), "{one}");
    let twice = refusal(&|meta| put(meta.join(g1), "a,b\n0,0\n2,0\n"));
    assert!(
        twice.contains("more than one template of person 0"),
        "{twice}"
    );
    let unknown = refusal(&|meta| put(meta.join(g1), "a,b\n0,0\n99,7\n"));
    assert!(unknown.contains("template 99"), "{unknown}");
    let two = refusal(&|meta| put(meta.join(g1), "a,b\n0,0\n0,1\n"));
    assert!(
        two.contains("gallery_G1.csv:3: template 0 is of person 1"),
        "{two}"
    );
    let strangers = refusal(&|meta| put(meta.join(g1), "a,b\n0,50\n"));
    assert!(
        strangers.contains("knows the people of 0 of 12 probes"),
        "{strangers}"
    );
}

/// Two pictures each of persons 0 to 3 are enrolled; four each of persons 0 to 5 are searched, of
/// which one of person 1 shows a stranger.
fn bob(dir: &Path, (enrolling, probing): (&str, &str), columns: &str) {
    let (mut gallery, mut probes) = (format!("{columns}\n"), format!("{columns}\n"));
    let list = |text: &mut String, person: usize, number: usize, shown: usize| {
        let file = format!("data/p{person}/{number}.png");
        put(dir.join(&file), face(shown, number));
        *text += &format!("{file},person {person}\n");
    };
    for person in 0..6 {
        for number in 10..12 {
            if person < 4 {
                list(&mut gallery, person, number, person);
            }
        }
        for number in 0..4 {
            let stranger = [person, number] == [1, 3];
            let shown = if stranger { 20 } else { person };
            list(&mut probes, person, number, shown);
        }
    }
    put(dir.join(enrolling), gallery);
    put(dir.join(probing), probes);
}

#[test]
fn lists_of_bob() {
    for (lists, columns) in [
        (
            ("p/dev/for_enrolling.csv", "p/dev/for_probing.csv"),
            "path,subject_id",
        ),
        (
            ("p/dev/for_models.csv", "p/dev/for_probes.csv"),
            "PATH,TEMPLATE_ID",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        bob(&root.path().join("set"), lists, columns);
        let spec = spec(DataFormat::Gallery, &[lists.0, lists.1, "data/"], RULES);
        assert_eq!(describe(&spec, root.path()).unwrap().identities, 6);
        for rule in ["bob", "insightface"] {
            let params = [
                ("rule", json!(rule)),
                ("fpirs", json!([0.0, 0.5])),
                ("ranks", json!([1, 2])),
            ];
            let scored = score(root.path(), &spec, "open-set-identification", &params);
            // 16 known probes, of which one shows a stranger; strangers score far below mates.
            for id in ["tpir@fpir=0e0", "tpir@fpir=5e-1", "rank-1"] {
                assert_eq!(metric(&scored, id), 15.0 / 16.0, "{rule} {id}");
            }
            let note = "16 probes are of people in the gallery, 8 of people who are not";
            assert!(scored.result.notes.iter().any(|n| n == note));
        }
        // In a closed set those without a mate are left out.
        let closed = score(root.path(), &spec, "gallery-identification", &[]);
        assert_eq!(metric(&closed, "rank-1"), 15.0 / 16.0);
    }
}

#[test]
fn probes_and_enrolled_pictures_may_be_lost() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    let lists = ("for_enrolling.csv", "for_probing.csv");
    bob(&dir, lists, "path,subject_id");
    // One probe of a person who is enrolled, one of a stranger; all that is enrolled of person 3.
    for file in ["p0/1.png", "p5/2.png", "p3/10.png", "p3/11.png"] {
        std::fs::remove_file(dir.join("data").join(file)).unwrap();
    }
    let files = [lists.0, lists.1, "data/"];
    let params = [("fpirs", json!([0.5])), ("ranks", json!([1]))];
    let refuse = set::open(&spec(DataFormat::Gallery, &files, RULES), root.path());
    assert!(refuse.err().unwrap().to_string().contains("p3/10.png"));
    let spec = spec(DataFormat::Gallery, &files, MISS);
    let scored = score(root.path(), &spec, "open-set-identification", &params);
    assert_eq!(metric(&scored, "rank-1"), 10.0 / 16.0);
    let notes = scored.result.notes.join("\n");
    assert!(
        notes.contains("failure to enrol: 2 images of the gallery"),
        "{notes}"
    );
    assert!(
        notes.contains("of 8 unknown probes raise an alarm"),
        "{notes}"
    );
    assert!(
        notes.contains("1 probes of people who are not in the gallery are missing"),
        "{notes}"
    );
}

#[test]
fn folders_of_tinyface_as_an_open_set() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    for person in 0..6 {
        for number in 0..4 {
            let name = format!("{person}_{number}.png");
            put(dir.join("Probe").join(&name), face(person, number));
            if person % 2 == 0 {
                put(
                    dir.join("Gallery_Match").join(&name),
                    face(person, number + 5),
                );
            }
        }
        put(
            dir.join(format!("Gallery_Distractor/{person}.png")),
            face(30 + person, 1),
        );
    }
    let files = ["Probe/", "Gallery_Match/", "Gallery_Distractor/"];
    let spec = spec(DataFormat::Gallery, &files, RULES);
    let scored = score(root.path(), &spec, "open-set-identification", &[]);
    assert_eq!(metric(&scored, "tpir@fpir=1e-1"), 1.0);
    assert_eq!(metric(&scored, "rank-1"), 1.0);
    // With everybody enrolled there is no open set.
    for person in [1, 3, 5] {
        put(
            dir.join(format!("Gallery_Match/{person}_9.png")),
            face(person, 9),
        );
    }
    let set = set::open(&spec, root.path()).unwrap();
    let protocol = ProtocolSpec {
        name: "open-set-identification".into(),
        params: Default::default(),
    };
    let refused = protocol::check(&protocol, &set.description)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("all of the 24 probes are in the gallery"),
        "{refused}"
    );
}

const GROUPS: [&str; 4] = ["African", "Asian", "Caucasian", "Indian"];

/// The pairs of the other sets four times, as the four groups; in the second the usual picture is wrong.
fn rfw(dir: &Path) -> Vec<String> {
    for group in GROUPS {
        let name = |person: usize| format!("{group}{person}");
        let mut list = String::new();
        for (a, b, same) in pairs() {
            list += &match same {
                true => format!("{}\t{}\t{}\n", name(a[0]), a[1], b[1]),
                false => format!("{}\t{}\t{}\t{}\n", name(a[0]), a[1], name(b[0]), b[1]),
            };
            for picture in [a, b] {
                let path = lfw_path(picture).replace("Na me", group);
                put(
                    dir.join("data").join(group).join(path),
                    picture_of(group, picture),
                );
            }
        }
        put(dir.join(format!("txts/{group}/{group}_pairs.txt")), list);
    }
    let lists = GROUPS.map(|g| format!("txts/{g}/{g}_pairs.txt"));
    lists.into_iter().chain(["data/".into()]).collect()
}

/// Strangers of later groups are more alike.
fn picture_of(group: &str, [person, number]: [usize; 2]) -> Vec<u8> {
    let place = GROUPS.iter().position(|g| *g == group).unwrap();
    match (group, [person, number]) {
        ("Asian", [0, 4]) => face(5, 4 + place),
        _ => face(person, number + place),
    }
}

/// Genuine and impostor cosines of a group.
fn cosines(group: &str) -> [Vec<f64>; 2] {
    let row = |picture| embedding(&decode(&picture_of(group, picture)).unwrap());
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let mut kinds = [Vec::new(), Vec::new()];
    for (a, b, same) in pairs() {
        let (a, b) = (row(a), row(b));
        let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
        kinds[usize::from(!same)].push(cosine);
    }
    kinds
}

#[test]
fn rfw_by_group_from_its_own_layout() {
    let root = tempfile::tempdir().unwrap();
    let files = rfw(&root.path().join("set"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let spec = spec(DataFormat::Pairs, &files, RULES);
    let found = describe(&spec, root.path()).unwrap();
    assert_eq!((found.counts["pairs"], found.identities), (160, 40));
    for on in ["all", "Indian"] {
        let params = [("fmrs", json!([0.1])), ("threshold_on", json!(on))];
        let scored = score(root.path(), &spec, "group-verification", &params);
        let mut chosen_on: Vec<f64> = GROUPS
            .iter()
            .filter(|g| on == "all" || **g == on)
            .flat_map(|g| cosines(g)[1].clone())
            .collect();
        chosen_on.sort_by(f64::total_cmp);
        let share = |t: f64| {
            let above = chosen_on.iter().filter(|s| **s >= t).count();
            above as f64 / chosen_on.len() as f64
        };
        let threshold = chosen_on.iter().copied().find(|t| share(*t) <= 0.1);
        // Rounding moves a score by far less than this, and scores differ by far more.
        let accepted = |s: f64| threshold.is_some_and(|t| s > t - 1e-15);
        let lost = genuine_with([0, 4]) as f64 / 20.0;
        let mut fmrs = Vec::new();
        for group in GROUPS {
            let fmr = cosines(group)[1].iter().filter(|s| accepted(**s)).count();
            let got = metric(&scored, &format!("fmr@fmr=1e-1/{group}"));
            assert!(
                (got - fmr as f64 / 20.0).abs() < 1e-9,
                "{on} {group}: {got} {fmr}"
            );
            fmrs.push(fmr.max(1) as f64);
            let want = if group == "Asian" { lost } else { 0.0 };
            assert_eq!(metric(&scored, &format!("fnmr@fmr=1e-1/{group}")), want);
        }
        assert_eq!(metric(&scored, "fnmr@fmr=1e-1"), lost / 4.0);
        // A group without an error counts as one of 20.
        assert!((metric(&scored, "fnmr-ratio@fmr=1e-1") - lost * 20.0).abs() < 1e-9);
        let high = fmrs.iter().copied().fold(0.0, f64::max);
        let low = fmrs.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((metric(&scored, "fmr-ratio@fmr=1e-1") - high / low).abs() < 1e-9);
        let notes = scored.result.notes.join("\n");
        assert!(
            notes.contains("African, Caucasian, Indian; they count as one"),
            "{notes}"
        );
    }
}

#[test]
fn rates_of_groups_rest_on_false_accepts_and_say_what_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    let files = rfw(&dir);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let picture = [2, 1];
    let lost = lfw_path(picture).replace("Na me", "Indian");
    std::fs::remove_file(dir.join("data/Indian").join(lost)).unwrap();
    let spec = spec(DataFormat::Pairs, &files, MISS);
    let params = [("fmrs", json!([0.1, 0.2]))];
    let scored = score(root.path(), &spec, "group-verification", &params);
    let (genuine, impostor) = (genuine_with(picture), impostors_with(picture));
    let note = format!("failure to acquire: {genuine} genuine and {impostor} impostor pairs");
    let notes = &scored.result.notes;
    assert!(notes.iter().any(|n| n.starts_with(&note)), "{notes:?}");
    let rejected = genuine as f64 / 20.0;
    assert_eq!(metric(&scored, "fnmr@fmr=1e-1/Indian"), rejected);

    // Each rate rests on the false accepts that its threshold allows of all 80 impostor pairs; those
    // that are means over pairs have trials.
    let file = |name: &str| &scored.evidence.iter().find(|e| e.0 == name).unwrap().1;
    let [table, people, adds] = FILES.map(file);
    let trials = Trials::read(table, Some(people), adds).unwrap();
    assert_eq!(trials.people.as_ref().unwrap().len(), 160);
    for m in &scored.result.metrics {
        let allowed = if m.id.contains("fmr=1e-1") { 8 } else { 16 };
        assert_eq!(trials.allowed[&m.id], allowed, "{}", m.id);
        assert_eq!(trials.has(&m.id), !m.id.contains("ratio"), "{}", m.id);
    }
    // A genuine pair of the group that is rejected adds 1 less the rate, over 20 pairs.
    let adds = trials.adds.iter().find(|a| a.0 == "fnmr@fmr=1e-1/Indian");
    let most = adds.unwrap().1.iter().copied().fold(0.0, f32::max);
    assert!((f64::from(most) - (1.0 - rejected) / 20.0).abs() < 1e-7);
    let counted = adds.unwrap().1.iter().filter(|v| **v != 0.0).count();
    assert_eq!(counted, 20);

    // All genuine pairs of a group lost: nothing can be judged in it.
    for (a, b, _) in pairs().into_iter().filter(|p| p.2) {
        for picture in [a, b] {
            let path = lfw_path(picture).replace("Na me", "Indian");
            let _ = std::fs::remove_file(dir.join("data/Indian").join(path));
        }
    }
    let set = set::open(&spec, root.path()).unwrap();
    let protocol = ProtocolSpec {
        name: "group-verification".into(),
        params: Default::default(),
    };
    let refused = protocol::check(&protocol, &set.description);
    let message = refused.unwrap_err().to_string();
    let want = "group Indian, of the pairs whose images are there: ";
    assert!(message.contains(want), "{message}");
}

#[test]
fn groups_of_a_table_and_a_folder_without_a_declaration() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    rfw(&dir);
    let (reader, files) = set::recognise(&dir).unwrap();
    assert_eq!(reader.name, "RFW with all of its groups");
    assert_eq!(files.len(), 5, "{files:?}");
    // The same as a table.
    let mut table = "first,second,same,group\n".to_string();
    for group in GROUPS {
        for (a, b, same) in pairs() {
            let of = |p| format!("{group}/{}", lfw_path(p).replace("Na me", group));
            table += &format!("{},{},{},{group}\n", of(a), of(b), u8::from(same));
        }
    }
    put(dir.join("pairs.csv"), &table);
    let spec = spec(DataFormat::Pairs, &["pairs.csv", "data/"], RULES);
    let set = set::open(&spec, root.path()).unwrap();
    let Description::Pairs(data) = &set.description else {
        panic!("not pairs");
    };
    assert_eq!(data.groups.as_ref().unwrap().names, GROUPS);
    let protocol = |groups: serde_json::Value| ProtocolSpec {
        name: "group-verification".into(),
        params: [("groups".to_string(), groups)].into(),
    };
    let checked = protocol::check(&protocol(json!(["African", "Asian"])), &set.description);
    let message = checked.unwrap_err().to_string();
    assert!(
        message.contains("the groups of the set are African, Asian, Caucasian"),
        "{message}"
    );
    protocol::check(&protocol(json!(GROUPS)), &set.description).unwrap();
    // A group is stated of every pair or of none.
    put(
        dir.join("pairs.csv"),
        table.replacen(",African\n", ",\n", 1),
    );
    let message = set::open(&spec, root.path()).err().unwrap().to_string();
    assert!(message.contains("line 2 states no group"), "{message}");
}

/// FNMR at FMR and EER of a set of pairs, against loops over all thresholds.
#[test]
fn rates_of_errors_of_pairs() {
    let root = tempfile::tempdir().unwrap();
    (LFW.write)(&root.path().join("set"));
    let spec = spec(DataFormat::Pairs, LFW.files, RULES);
    let params = [
        ("folds", json!(4)),
        ("fmrs", json!([0.1, 0.01])),
        ("eer", json!("fvc")),
    ];
    let scored = score(root.path(), &spec, "verification", &params);
    let lost = genuine_with([0, 4]) as f64 / 20.0;
    for id in ["fnmr@fmr=1e-1", "fnmr@fmr=1e-2"] {
        assert_eq!(metric(&scored, id), lost);
    }
    let ids: Vec<&str> = scored
        .result
        .metrics
        .iter()
        .map(|m| m.id.as_str())
        .collect();
    assert_eq!(ids.last(), Some(&"eer"));
    assert!(
        scored
            .result
            .metrics
            .last()
            .is_some_and(|m| !m.higher_is_better)
    );
    assert!(metric(&scored, "eer") < lost + 0.06);
    let notes = scored.result.notes.join("\n");
    assert!(
        notes.contains("fnmr@fmr=1e-2 (at-most): at threshold"),
        "{notes}"
    );
}
