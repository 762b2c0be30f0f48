//! Folders as people keep them: with links, with what is no image, and with files that change.

use crate::folder::{declared, put};
use frbench::data::decode::encode_jpeg;
use frbench::data::hashes::{Compared, compare};
use frbench::data::image::Image;
use frbench::data::manifest::{describe, read};
use frbench::data::set::open;
use frbench::data::stamps::{Hashed, Stamps};
use frbench::data::watch::UNWATCHED;
use frbench::job::result::DataResult;
use frbench::job::{DataFormat, DataSpec, Rules};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

fn jpeg(k: u8) -> Vec<u8> {
    let pixels = (0..3 * 16 * 16)
        .map(|i| (i as u8).wrapping_mul(k))
        .collect();
    encode_jpeg(&Image::new(16, 16, pixels).unwrap(), 90).unwrap()
}

fn spec(format: DataFormat, files: &[&str]) -> DataSpec {
    declared("set", format, files, Rules::default())
}

/// Three classes of two images.
fn classes(root: &Path) -> DataSpec {
    for k in 0..6 {
        put(root.join(format!("set/images/p{}/{k}.jpg", k / 2)), jpeg(k));
    }
    spec(DataFormat::Train, &["images/"])
}

fn data_error<T>(result: frbench::Result<T>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.exit_code(), 5, "{error}");
    error.to_string()
}

#[test]
fn a_class_may_be_a_link() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spec = classes(root.path());
    let plain = describe(&spec, root.path()).unwrap();
    let class = root.path().join("set/images/p1");
    let moved = elsewhere.path().join("p1");
    fs::create_dir(&moved).unwrap();
    for k in [2, 3] {
        fs::rename(
            class.join(format!("{k}.jpg")),
            moved.join(format!("{k}.jpg")),
        )
        .unwrap();
    }
    fs::remove_dir(&class).unwrap();
    symlink(&moved, &class).unwrap();
    let linked = describe(&spec, root.path()).unwrap();
    assert!(
        linked.notes[0].ends_with("1 links were followed"),
        "{linked:?}"
    );
    assert_eq!(linked.pixels_sha256, plain.pixels_sha256);
    assert_eq!(linked.files, plain.files);
    fs::remove_dir_all(&moved).unwrap();
    let text = data_error(describe(&spec, root.path()));
    assert!(text.contains("set/images/p1: a link to"), "{text}");
}

#[test]
fn what_would_hang_is_refused_wherever_a_file_is_wanted() {
    let fifo = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    for (format, files, at) in [
        (DataFormat::Train, &["images/"][..], "images/p0/9.jpg"),
        (DataFormat::Train, &["images/"], "images/p0/notes"),
        (DataFormat::Train, &["images/"], "identities.txt"),
        (DataFormat::Train, &["train.rec"], "train.rec"),
        (DataFormat::Train, &["a.list", "images/"], "a.list"),
        (DataFormat::Pairs, &["lfw.bin"], "lfw.bin"),
        (DataFormat::Pairs, &["pairs.txt", "images/"], "pairs.txt"),
    ] {
        let root = tempfile::tempdir().unwrap();
        classes(root.path());
        fifo(&root.path().join("set").join(at));
        let spec = spec(format, files);
        for text in [
            data_error(open(&spec, root.path())),
            data_error(describe(&spec, root.path())),
        ] {
            assert!(text.contains(&format!("{at}: a FIFO")), "{text}");
        }
    }
    // In a folder that a list names images of.
    let root = tempfile::tempdir().unwrap();
    classes(root.path());
    put(
        root.path().join("set/a.list"),
        "images/p0/0.jpg 0\nimages/x 1\n",
    );
    fifo(&root.path().join("set/images/x"));
    let spec = spec(DataFormat::Train, &["a.list", "images/"]);
    let text = data_error(describe(&spec, root.path()));
    assert!(text.contains("images/x: a FIFO"), "{text}");
}

/// Recorded, with the stamps of files that have settled.
fn settled(spec: &DataSpec, root: &Path) -> (DataResult, Stamps) {
    std::thread::sleep(Duration::from_millis(2100));
    let (result, stamps, _) = read(spec, root, (&Stamps::default(), None), UNWATCHED).unwrap();
    assert!(stamps.files().iter().all(|f| f.stamp.is_some()));
    (result, stamps)
}

/// Replaces a byte of a file and sets its time back.
fn edit(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn only_files_whose_stamps_differ_are_read_and_every_change_is_found() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let spec = classes(root);
    let young = read(&spec, root, (&Stamps::default(), None), UNWATCHED)
        .unwrap()
        .1;
    assert!(young.files().iter().all(|f| f.stamp.is_none()));
    let (recorded, stamps) = settled(&spec, root);
    assert_eq!(
        (stamps.files().len(), stamps.bytes()),
        (6, recorded.files[0].bytes)
    );
    let against =
        |known: &Stamps, trusted| compare(&spec, root, &recorded, (known, trusted), UNWATCHED);
    let same = |stamps: &Stamps| Compared {
        stamps: stamps.clone(),
        changed: Vec::new(),
    };
    assert_eq!(against(&stamps, true).unwrap(), same(&stamps));
    assert_eq!(against(&stamps, false).unwrap(), same(&stamps));

    // A table that lies about one file is believed, so the file is not read; unless it has to be.
    let mut files: Vec<Hashed> = stamps.files().to_vec();
    files[3].sha256 = [0; 32];
    let lying = Stamps::new(files.clone());
    assert!(data_error(against(&lying, true)).contains("images/: sha256"));
    assert_eq!(against(&lying, false).unwrap(), same(&stamps));
    files[3].stamp = None;
    assert_eq!(against(&Stamps::new(files), true).unwrap(), same(&stamps));

    let image = root.join("set/images/p1/2.jpg");
    let bytes = fs::read(&image).unwrap();
    edit(&image);
    let text = data_error(against(&stamps, true));
    assert!(text.contains("images/p1/2.jpg (changed)"), "{text}");
    fs::write(&image, &bytes).unwrap();
    let again = against(&stamps, true).unwrap().stamps;
    assert_ne!(again, stamps, "the file is young again");
    assert_eq!(again.files()[2].sha256, stamps.files()[2].sha256);

    put(root.join("set/images/p1/x.jpg"), &bytes);
    fs::remove_file(root.join("set/images/p0/1.jpg")).unwrap();
    let text = data_error(against(&stamps, true));
    for want in [
        "images/p0/1.jpg (missing)",
        "images/p1/x.jpg (new)",
        "bring back",
    ] {
        assert!(text.contains(want), "{want} not in {text}");
    }
    fs::remove_file(root.join("set/images/p1/x.jpg")).unwrap();
    // What no set is made of may come and go; a link that leads elsewhere is another file.
    put(root.join("set/images/p0/1.jpg"), jpeg(1));
    put(root.join("set/images/.DS_Store"), "x");
    against(&stamps, true).unwrap();
    fs::remove_file(&image).unwrap();
    symlink("3.jpg", &image).unwrap();
    assert!(data_error(against(&stamps, true)).contains("p1/2.jpg (changed)"));
}

#[test]
fn reading_ends_when_it_is_told_to() {
    let root = tempfile::tempdir().unwrap();
    let spec = classes(root.path());
    for unit in ["MiB", "images"] {
        let stop = move |_, total: u64, of: &'static str| match of == unit
            && (total > 0 || unit == "MiB")
        {
            true => Err(frbench::Error::Preempted("stop".into())),
            false => Ok(()),
        };
        let error = read(&spec, root.path(), (&Stamps::default(), None), &stop).unwrap_err();
        assert_eq!(error.exit_code(), 75);
    }
}
