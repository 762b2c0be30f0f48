//! Data sets of the face world on disk.

use frbench::data::bin::BinReader;
use frbench::data::record::RecReader;
use frbench::job::SynthSpec;
use frbench::synth::{twin, write};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

fn spec(name: &str, size: &[(&str, u64)]) -> SynthSpec {
    SynthSpec {
        world: "v1".into(),
        twin: name.into(),
        size: size.iter().map(|(k, v)| (k.to_string(), *v)).collect(),
    }
}

fn sets() -> Vec<SynthSpec> {
    vec![
        spec("train", &[("identities", 6), ("images", 5)]),
        spec("lfw", &[("pairs", 20)]),
        spec("cfp-fp", &[("pairs", 20)]),
        spec("agedb-30", &[("pairs", 20)]),
        spec(
            "megaface",
            &[("probes", 3), ("images", 3), ("distractors", 12)],
        ),
        spec("noisy-train", &[("identities", 6), ("images", 5)]),
        spec("outliers", &[("images", 8)]),
        spec(
            "tinyface",
            &[("probes", 3), ("images", 3), ("distractors", 6)],
        ),
        spec("rfw", &[("pairs", 80)]),
        spec(
            "watchlist",
            &[("probes", 2), ("images", 2), ("strangers", 2)],
        ),
        spec("ijb", &[("people", 5), ("images", 4)]),
    ]
}

/// The hash of each file; of those in a folder of images, one of all of them.
fn hashes(dir: &Path) -> BTreeMap<String, String> {
    let hex = |hash: &[u8]| -> String { hash.iter().map(|b| format!("{b:02x}")).collect() };
    let of = |path: &Path| Sha256::digest(std::fs::read(path).unwrap());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let name = name.into_string().unwrap();
        if path.is_file() {
            found.insert(name, hex(&of(&path)));
        } else if name == "loose_crop" {
            let images = (1..).map(|n| path.join(format!("{n}.jpg")));
            let all: Vec<u8> = images
                .take_while(|p| p.exists())
                .flat_map(|p| of(&p).to_vec())
                .collect();
            found.insert(name, hex(&Sha256::digest(all)));
        } else {
            let below = hashes(&path).into_iter();
            found.extend(below.map(|(file, hash)| (format!("{name}/{file}"), hash)));
        }
    }
    found
}

fn written(spec: &SynthSpec, threads: usize) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let mut last = (0, 0);
    pool.install(|| {
        write(spec, dir.path(), &mut |done, total| {
            last = (done, total);
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(last.0, last.1);
    assert_eq!(last.1, twin(spec).unwrap().len());
    hashes(dir.path())
}

#[test]
fn files_do_not_depend_on_the_number_of_threads_and_equal_the_pinned_ones() {
    let mut all = String::new();
    for spec in sets() {
        let one = written(&spec, 1);
        assert_eq!(one, written(&spec, 2), "{}", spec.twin);
        for (file, hash) in one {
            all += &format!("{} {file} {hash}\n", spec.twin);
        }
    }
    assert_eq!(all.trim(), PINNED.trim(), "\n{all}");
}

#[test]
fn what_was_written_is_read_back_by_the_readers_of_real_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut quiet = |_: u64, _: u64| Ok(());
    let sets = sets();
    let of = |name: &str| sets.iter().find(|s| s.twin == name).unwrap();
    let (train, lfw, megaface) = (of("train"), of("lfw"), of("megaface"));
    let (outliers, tinyface) = (of("outliers"), of("tinyface"));
    write(train, dir.path(), &mut quiet).unwrap();
    let rec = RecReader::open(dir.path().join("train.rec")).unwrap();
    assert_eq!(rec.len(), 30);
    assert_eq!(rec.classes().unwrap()[29], 5);
    let property = std::fs::read_to_string(dir.path().join("property")).unwrap();
    assert_eq!(property.trim(), "6,112,112");

    write(lfw, dir.path(), &mut quiet).unwrap();
    let bin = BinReader::open(dir.path().join("lfw.bin")).unwrap();
    assert_eq!(bin.same().len(), 20);
    let people = std::fs::read_to_string(dir.path().join("identities.txt")).unwrap();
    let people: Vec<&str> = people.lines().collect();
    assert_eq!(people.len(), 40);
    for (same, two) in bin.same().iter().zip(people.chunks(2)) {
        assert_eq!(*same, two[0] == two[1]);
    }

    write(megaface, dir.path(), &mut quiet).unwrap();
    let len = |name: &str| RecReader::open(dir.path().join(name)).unwrap().len();
    assert_eq!((len("probes.rec"), len("distractors.rec")), (9, 12));

    let other = tempfile::tempdir().unwrap();
    let len = |name: &str| RecReader::open(other.path().join(name)).unwrap().len();
    write(outliers, other.path(), &mut quiet).unwrap();
    assert_eq!(len("train.rec"), 8);
    write(tinyface, other.path(), &mut quiet).unwrap();
    let parts = ["probes.rec", "gallery.rec", "distractors.rec"].map(len);
    assert_eq!(parts, [3, 6, 6]);
}

#[test]
fn stopping_leaves_no_file_under_its_final_name() {
    let dir = tempfile::tempdir().unwrap();
    let stop = write(&sets()[0], dir.path(), &mut |_, _| {
        Err(frbench::Error::Incomplete("asked to stop".into()))
    });
    assert!(matches!(stop, Err(frbench::Error::Incomplete(_))));
    assert!(!dir.path().join("train.rec").exists());
}

/// Twin, file, sha256: version v1 of the world is these bytes on every machine.
const PINNED: &str = "
train property db7cc791ac04dd3e0c173ea65bd62e2c1211abb755209e45c96500a642866a2b
train train.idx 5b4728acc0eded1e4dcc93e7d46a0c64105de2b550acafb36da370762d23b956
train train.rec 4c8c8f4cb109e48fe80509a72c2aa4422f846281294dc7c9470643445665729d
lfw identities.txt 582083ca936264012e39e87206ca5c75eb4bbc95905a48ef3ff95991dc5497d2
lfw lfw.bin 3794ec6a2b36139d6abae7efca7a3e5697fabbef1c2a3bce228340780c346cf1
cfp-fp cfp_fp.bin ebaadbbc72eb986fe535e7b06069e9db5fbc594f44db8dc1071673b8807f5718
cfp-fp identities.txt 2dd9e16f2286911880a15cfb96666532ad75269e40c90d01c140aaa62199f0ba
agedb-30 agedb_30.bin a96c3f8b488d5ced426dca0bab0b8961de6317a825d2d4051d9d06d1e6a1e2a5
agedb-30 identities.txt 193193bb64b30e10aedc3c5dd2e76b37ac4172e12d12b4fe4ff949eea8f3e969
megaface distractors.idx cd50dd55123992cfc660539e20194b21cc9ab67ee14df897c8ddc216eaf98591
megaface distractors.rec ca3446a40882df133575e8c729942740beea6b23dd78cf874160ab425653bb6f
megaface probes.idx 31483b0d8728e89b3c0c336bbd199df69289a4668df42c6ac75d0345c074ebcd
megaface probes.rec edd9da75a6e32ee2956e82d3fea99edea332c90b558b4cbfb38dad02fed249c0
noisy-train identities.txt 27a35597ed733b93328c3c227ae2af03081450c4ccc871ec16e0002c1efc4061
noisy-train property db7cc791ac04dd3e0c173ea65bd62e2c1211abb755209e45c96500a642866a2b
noisy-train train.idx f2ca35141590d4b5e8fbb52db24ee24a7104635c180b918a7cda74c5381c7ec2
noisy-train train.rec 37464effe7fc0e6b56330fd44980c234bd2c96bca42899a088c801a8ed68bffc
outliers property 6c3e34a7f02f985a32bb6920fbd033462c9e170f75f26912ca37b28794fc1986
outliers train.idx ae2895ec6d142a71c81da922a80534fced667a2c9766785378c379a2f76c505d
outliers train.rec fee18d401fcb25d4e07ed024bbad53f73e1db5a5c3de394aa6a1a6a17d6d1ac1
tinyface distractors.idx 9b2f7a59e57e223af7e1df3992a2b85f446ed9616c13fa0c3da9a30992a25397
tinyface distractors.rec 16a92fb41065a2278a7f7b88c35ab51572a3ccd2a725a29970e2c763238bc827
tinyface gallery.idx 7a8ab832f2eb4f084d0b20b4c6e4827bb6176e593978d209fee9a102a55e5a79
tinyface gallery.rec 9a61f02b7e06ef20cfe841eeb47c79fc715795d4bad29ec111cffe74e4663d36
tinyface probes.idx 12c96647e4a4084266b2af8f93c5b90865a4e572ad7ac37ff3a740041b607755
tinyface probes.rec 6d5c295cf977016b9ee7b1e55a3da829b31991546b010325ac7a8d4f8871b28a
rfw groups.txt 64156ec4838c896577eb9efd3291173d1790dbfc34f4e90d23f0e2c6224397ed
rfw identities.txt 843bbe7144e7567e86b950f276639947d6ef6c99c1fd1f49e7eb68502f61f64c
rfw rfw.bin f6bd74f822d7f4b1254efff6ca0b3646e81c715a5ee7d1341791474c5a711c9a
watchlist gallery.idx 031b01c8861ef588489fe8e7c1ebc0531ca3c55114eb8fc830790d398f9548bb
watchlist gallery.rec 7f0622ef608767972b55de5cb97e50a9d9585cd797454e6934c132cc890d1383
watchlist probes.idx 48d1f78f9b73e9a6dc7f1314fb5fd0d3bafbd019bb277f8244a38062c17aab2e
watchlist probes.rec 169cc4013f24789dadf43c9d3de4981f3094317abdf0407a0b834f885f959b06
ijb loose_crop fb8351b5eea07556edfec4e09f4732ed698025bbe90e69499f028a15fa1f90e3
ijb meta/ijb_1N_gallery_G1.csv 988b4b13ad60e7bd6f3f15b8678ea5543583dcce22d736bc050b1fc43c350dcc
ijb meta/ijb_1N_gallery_G2.csv 5d6c0da9b5af93e81d0d3e0ce2c13cf51f6afc01138bc608f4834369eae6d6df
ijb meta/ijb_1N_probe_mixed.csv 635e407f550a252b808d45e5f6966bfb99048848af7d1bb4c4b4d1e01e8cb325
ijb meta/ijb_face_tid_mid.txt 1e0ca776c11e54bf462fb853d2215bf12880c1c40565610f8868374db6cf4523
ijb meta/ijb_name_5pts_score.txt 1596a642c9138bf7bb36d480894cce0e7717ee81abecd62b9e0b23cb01594f6c
ijb meta/ijb_template_pair_label.txt b4b1b70ef2f89543c54100a4cd7bd2bbae3155800d31a2874a6f02e8f1e133eb
";
