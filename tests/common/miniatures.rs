//! The nine data sets that the field is scored on, in miniature and in the layouts in which they
//! are given out. The colour of a picture says who is on it. One picture of each set shows another
//! person than its name says. So each rate is known without any of the code that computes it.

use frbench::data::decode::encode_png;
use frbench::data::image::Image;
use frbench::job::DataFormat;
use serde_json::json;
use std::path::Path;

/// Columns of an [`embedding`].
pub const DIM: usize = 64;

/// A picture of `person`, the `variant`-th of it.
pub fn face(person: usize, variant: usize) -> Vec<u8> {
    tinted(person, variant, 7)
}

/// The same with a tint, which tells the pictures of two sets apart: equal sets share their jobs.
fn tinted(person: usize, variant: usize, tint: u8) -> Vec<u8> {
    let colour = [person as u8, variant as u8, tint];
    let pixels = colour.repeat(112 * 112);
    encode_png(&Image::new(112, 112, pixels).unwrap()).unwrap()
}

/// What a perfect network would make of it: people are at right angles, pictures of one almost
/// the same. The middle is looked at, which no alignment of a picture of one colour changes.
pub fn embedding(image: &Image) -> Vec<f32> {
    let middle = 3 * (image.width * (image.height / 2) + image.width / 2);
    let (person, variant) = (image.pixels[middle], image.pixels[middle + 1]);
    let mut row = vec![0.0; DIM];
    row[usize::from(person) % DIM] = 1.0;
    row[(usize::from(person) + 1) % DIM] = 0.01 * f32::from(variant);
    // Strangers are the more alike the higher their numbers.
    row[DIM - 1] = 1e-5 * (1.0 + f32::from(variant));
    row
}

/// 40 pairs in 4 folds of 5 genuine and 5 impostor pairs, as people `(a, b)` with picture numbers.
pub fn pairs() -> Vec<([usize; 2], [usize; 2], bool)> {
    (0..40)
        .map(|k| {
            let same = k % 2 == 0;
            let a = k % 10;
            let b = if same { a } else { (a + 3) % 10 };
            // Pictures are used in more than one pair.
            ([a, 1 + k / 10 % 3], [b, 4 + k / 20], same)
        })
        .collect()
}

pub const FOLDS: usize = 4;

/// Picture 4 of person 0 shows person 5.
const WRONG: [usize; 2] = [0, 4];

pub fn shown(picture: [usize; 2]) -> Vec<u8> {
    let [person, number] = seen(picture);
    face(person, number)
}

/// The person that a picture shows, and its number.
fn seen([person, number]: [usize; 2]) -> [usize; 2] {
    match [person, number] == WRONG {
        true => [5, number],
        false => [person, number],
    }
}

/// Accuracy of [`pairs`]: the genuine pairs with the wrong picture are lost.
pub fn accuracy() -> f64 {
    let lost = genuine_with(WRONG);
    assert!(lost > 0);
    1.0 - lost as f64 / 40.0
}

/// How many genuine pairs hold this picture.
pub fn genuine_with(picture: [usize; 2]) -> usize {
    let with = |p: &&([usize; 2], [usize; 2], bool)| p.2 && (p.0 == picture || p.1 == picture);
    pairs().iter().filter(with).count()
}

/// How many impostor pairs hold this picture.
pub fn impostors_with(picture: [usize; 2]) -> usize {
    let with = |p: &&([usize; 2], [usize; 2], bool)| !p.2 && (p.0 == picture || p.1 == picture);
    pairs().iter().filter(with).count()
}

/// A picture of people and numbers, for a set of pairs.
type Picture = [usize; 2];

/// The pictures of a set of pairs in the order in which its list first names them: where each lies
/// below the folder of images, and who its list says is on it.
pub type Listed = Vec<(String, usize)>;

fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Writes each picture once.
fn listed(images: &Path, tint: u8, named: impl IntoIterator<Item = (String, Picture)>) -> Listed {
    let mut listed = Listed::new();
    for (path, picture) in named {
        if listed.iter().all(|(p, _)| *p != path) {
            let [person, number] = seen(picture);
            put(images.join(&path), tinted(person, number, tint));
            listed.push((path, picture[0]));
        }
    }
    listed
}

/// LFW's and RFW's names: `Na me/Na me_0004.jpg`; PNG bytes under them, as they circulate.
pub fn lfw_path([person, number]: Picture) -> String {
    format!("Na me{person}/Na me{person}_{number:04}.jpg")
}

/// `pairs.txt` as LFW has it, or as RFW does without `header`; `file` is its name.
fn by_name(dir: &Path, file: &str, header: &str, tint: u8) -> Listed {
    let mut list = header.to_string();
    for (a, b, same) in pairs() {
        list += &match same {
            true => format!("Na me{}\t{}\t{}\n", a[0], a[1], b[1]),
            false => format!("Na me{}\t{}\tNa me{}\t{}\n", a[0], a[1], b[0], b[1]),
        };
    }
    put(dir.join(file), list);
    let pictures = pairs().into_iter().flat_map(|(a, b, _)| [a, b]);
    listed(
        &dir.join("images"),
        tint,
        pictures.map(|p| (lfw_path(p), p)),
    )
}

pub fn lfw(dir: &Path) -> Listed {
    by_name(dir, "pairs.txt", "4\t5\n", 7)
}

pub fn rfw(dir: &Path) -> Listed {
    by_name(dir, "Asian_pairs.txt", "", 8)
}

/// A name in a folder of all pictures.
pub fn flat([person, number]: Picture) -> String {
    format!("p{person}_{number}.png")
}

/// The list of CALFW and CPLFW: two lines for a pair, all genuine pairs first.
fn by_class(dir: &Path, file: &str, tint: u8) -> Listed {
    let (mut list, mut order) = (String::new(), Vec::new());
    for class in [true, false] {
        for (k, (a, b, _)) in pairs().into_iter().filter(|p| p.2 == class).enumerate() {
            let label = if class { 1 + k / 5 } else { 0 };
            list += &format!("{} {label}\n{} {label}\n", flat(a), flat(b));
            order.extend([a, b]);
        }
    }
    put(dir.join(file), list);
    listed(
        &dir.join("im"),
        tint,
        order.into_iter().map(|p| (flat(p), p)),
    )
}

pub fn calfw(dir: &Path) -> Listed {
    by_class(dir, "pairs_CALFW.txt", 10)
}

pub fn cplfw(dir: &Path) -> Listed {
    by_class(dir, "pairs_CPLFW.txt", 11)
}

pub fn agedb(dir: &Path) -> Listed {
    let line = |(a, b, same): &(Picture, Picture, bool)| {
        format!("{} {} {}\n", flat(*a), flat(*b), if *same { 1 } else { -1 })
    };
    put(
        dir.join("agedb_30.txt"),
        pairs().iter().map(line).collect::<String>(),
    );
    let pictures = pairs().into_iter().flat_map(|(a, b, _)| [a, b]);
    listed(&dir.join("im"), 9, pictures.map(|p| (flat(p), p)))
}

/// CFP's protocol, both frontal against profile and frontal against frontal, of 4 splits. The
/// pictures are those of the former.
pub fn cfp(dir: &Path) -> Listed {
    let path = |[person, number]: Picture, kind: &str| {
        format!("Images/{:03}/{kind}/{number:02}.jpg", person + 1)
    };
    let numbered = |[person, number]: Picture| person * 5 + number;
    let everyone = (0..10).flat_map(|person| (1..6).map(move |number| [person, number]));
    let (mut frontal, mut profile) = (String::new(), String::new());
    for picture in everyone {
        for (list, kind) in [(&mut frontal, "frontal"), (&mut profile, "profile")] {
            let path = path(picture, kind);
            *list += &format!("{} ../Data/{path}\n", numbered(picture));
            put(dir.join("Data").join(path), shown(picture));
        }
    }
    put(dir.join("Protocol/Pair_list_F.txt"), frontal);
    put(dir.join("Protocol/Pair_list_P.txt"), profile);
    let mut order = Vec::new();
    for (fold, of) in pairs().chunks(10).enumerate() {
        for (name, same) in [("same", true), ("diff", false)] {
            let of: Vec<_> = of.iter().filter(|p| p.2 == same).collect();
            let lines = of
                .iter()
                .map(|p| format!("{},{}\n", numbered(p.0), numbered(p.1)));
            let lines: String = lines.collect();
            for split in ["FP", "FF"] {
                let split = dir.join(format!("Protocol/Split/{split}/{:02}", fold + 1));
                put(split.join(format!("{name}.txt")), &lines);
            }
            let both = |p: &&(Picture, Picture, bool)| [(p.0, "frontal"), (p.1, "profile")];
            order.extend(of.iter().flat_map(both));
        }
    }
    let named = order.into_iter().map(|(p, kind)| (path(p, kind), p));
    listed(&dir.join("Data"), 12, named)
}

/// 6 people with 4 probes each; probe 3 of person 1 shows a distractor.
pub fn probe([person, number]: Picture) -> Vec<u8> {
    match [person, number] {
        [1, 3] => face(20, number),
        _ => face(person, number),
    }
}

pub fn probes() -> impl Iterator<Item = Picture> {
    (0..6).flat_map(|person| (0..4).map(move |number| [person, number]))
}

pub fn distractors() -> Vec<Vec<u8>> {
    (20..30).map(|person| face(person, 5)).collect()
}

/// Rank-1 of the probes: of the ordered pairs of probes of a person, those with the wrong picture
/// on either side are lost, 6 of 6 * 12.
pub const RANK_1: f64 = 1.0 - 6.0 / 72.0;

/// Lists as the development kit of MegaFace has them. Nothing is known of the order of people.
pub fn megaface(dir: &Path) -> Listed {
    let (mut paths, mut people) = (Vec::new(), Vec::new());
    for [person, number] in probes() {
        let path = format!("A {person}/A {person}_{number}.png");
        put(
            dir.join("facescrub_images").join(&path),
            probe([person, number]),
        );
        paths.push(path);
        people.push(format!("A {person}"));
    }
    let list = json!({ "path": paths, "id": people });
    put(dir.join("facescrub_features_list.json"), list.to_string());
    let mut paths = Vec::new();
    for (k, image) in distractors().into_iter().enumerate() {
        let path = format!("1/{k}/0.png");
        put(dir.join("megaface_images").join(&path), image);
        paths.push(path);
    }
    let list = json!({ "path": paths });
    put(
        dir.join("megaface_features_list.json_1000000_1"),
        list.to_string(),
    );
    Listed::new()
}

/// Rank-1 of [`tinyface`]: of 24 probes the wrong one is lost.
pub const TINY_RANK_1: f64 = 23.0 / 24.0;

pub fn tinyface(dir: &Path) -> Listed {
    for [person, number] in probes() {
        let name = format!("{person}_{number}.png");
        put(dir.join("Probe").join(&name), probe([person, number]));
        put(dir.join("Gallery_Match").join(&name), face(person, 9));
    }
    for (k, image) in distractors().into_iter().enumerate() {
        put(dir.join(format!("Gallery_Distractor/{k}.png")), image);
    }
    Listed::new()
}

/// The landmarks of the 112 x 112 template, which change no picture.
pub const TEMPLATE: &str =
    "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";

/// True accepts of [`ijbc`] at a FAR of 0.05: of 12 genuine pairs the wrong one is lost.
pub const TAR: f64 = 11.0 / 12.0;

/// 24 templates of two pictures; template 5 shows another person than it should. 12 genuine pairs
/// and 40 impostor pairs.
pub fn ijbc(dir: &Path) -> Listed {
    let (mut members, mut detections) = (String::new(), String::new());
    for image in 1..49 {
        let template = (image - 1) / 2;
        members += &format!("{image}.jpg {template} {image}\n");
        detections += &format!("{image}.jpg {TEMPLATE} 0.9\n");
        let person = if template == 5 { 50 } else { template / 2 };
        let bytes = face(person, (image - 1) % 2);
        put(dir.join(format!("loose_crop/{image}.jpg")), bytes);
    }
    let genuine = (0..12).map(|k| format!("{} {} 1\n", 2 * k, 2 * k + 1));
    let impostor = (0..40).map(|k| format!("{} {} 0\n", k % 12, 12 + k % 11));
    let list: String = genuine.chain(impostor).collect();
    put(dir.join("meta/ijbc_face_tid_mid.txt"), members);
    put(dir.join("meta/ijbc_name_5pts_score.txt"), detections);
    put(dir.join("meta/ijbc_template_pair_label.txt"), list);
    Listed::new()
}

/// One of the nine sets.
pub struct Miniature {
    pub name: &'static str,
    pub format: DataFormat,
    /// What a declaration lists.
    pub files: &'static [&'static str],
    /// Writes the set into its folder.
    pub write: fn(&Path) -> Listed,
}

const fn of_pairs(
    name: &'static str,
    files: &'static [&'static str],
    write: fn(&Path) -> Listed,
) -> Miniature {
    Miniature {
        name,
        format: DataFormat::Pairs,
        files,
        write,
    }
}

pub const LFW: Miniature = of_pairs("lfw", &["pairs.txt", "images/"], lfw);
pub const RFW: Miniature = of_pairs("rfw", &["Asian_pairs.txt", "images/"], rfw);
pub const CALFW: Miniature = of_pairs("calfw", &["pairs_CALFW.txt", "im/"], calfw);
pub const CPLFW: Miniature = of_pairs("cplfw", &["pairs_CPLFW.txt", "im/"], cplfw);
pub const AGEDB: Miniature = of_pairs("agedb", &["agedb_30.txt", "im/"], agedb);
pub const CFP: Miniature = of_pairs(
    "cfp",
    &[
        "Protocol/Pair_list_F.txt",
        "Protocol/Pair_list_P.txt",
        "Protocol/Split/FP/",
        "Data/",
    ],
    cfp,
);
pub const MEGAFACE: Miniature = Miniature {
    name: "megaface",
    format: DataFormat::Identification,
    files: &[
        "facescrub_features_list.json",
        "megaface_features_list.json_1000000_1",
        "facescrub_images/",
        "megaface_images/",
    ],
    write: megaface,
};
pub const TINYFACE: Miniature = Miniature {
    name: "tinyface",
    format: DataFormat::Gallery,
    files: &["Probe/", "Gallery_Match/", "Gallery_Distractor/"],
    write: tinyface,
};
pub const IJBC: Miniature = Miniature {
    name: "ijbc",
    format: DataFormat::Templates,
    files: &[
        "meta/ijbc_face_tid_mid.txt",
        "meta/ijbc_template_pair_label.txt",
        "meta/ijbc_name_5pts_score.txt",
        "loose_crop/",
    ],
    write: ijbc,
};
