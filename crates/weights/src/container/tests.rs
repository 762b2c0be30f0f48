//! Files that PyTorch wrote, and files that nobody should have written.

use super::archive;
use crate::{Tree, WeightsFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn fails(bytes: &[u8]) -> String {
    match WeightsFile::from_bytes(bytes.to_vec(), "net.pt") {
        Ok(file) => panic!("{:?}", file.tree),
        Err(e) => {
            assert_eq!(e.exit_code(), 5, "{e}");
            let text = e.to_string();
            assert!(text.starts_with("net.pt: "), "{text}");
            text
        }
    }
}

/// A zip archive of stored entries.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let crc = crc32fast::hash(data).to_le_bytes();
        let (len, name_len) = (
            (data.len() as u32).to_le_bytes(),
            (name.len() as u16).to_le_bytes(),
        );
        let start = (file.len() as u32).to_le_bytes();
        file.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0");
        file.extend([crc, len, len].concat());
        file.extend([name_len, [0, 0]].concat());
        file.extend(name.as_bytes());
        file.extend(*data);
        directory.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend([crc, len, len].concat());
        directory.extend([name_len, [0, 0], [0, 0]].concat());
        directory.extend([0; 8]);
        directory.extend(start);
        directory.extend(name.as_bytes());
    }
    let (start, len) = (file.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].concat());
    file.extend([len.to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0, 0]);
    file
}

/// The pickle of `{"w": tensor}`, of a storage of `count` numbers of type f32.
fn tensor(count: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let number = |n: i64| [&[0x8a, 8][..], &n.to_le_bytes()].concat();
    let tuple = |items: &[i64]| {
        let items: Vec<u8> = items.iter().flat_map(|n| number(*n)).collect();
        [b"(", &items[..], b"t"].concat()
    };
    [
        &b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"[..],
        b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu",
        &number(count),
        b"tQ",
        &number(offset),
        &tuple(shape),
        &tuple(strides),
        b"\x89)tRs.",
    ]
    .concat()
}

fn pytorch(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[
        ("net/data.pkl", pickle),
        ("net/byteorder", b"little"),
        ("net/data/0", storage),
    ])
}

/// The file before 1.6 of an object and its storages.
fn legacy(object: &[u8], keys: &[u8], storages: &[u8]) -> Vec<u8> {
    [
        &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."[..],
        b"\x80\x02}X\x0d\0\0\0little_endian\x88s.",
        object,
        keys,
        storages,
    ]
    .concat()
}

#[test]
fn what_pytorch_wrote_is_read() {
    let expected = std::fs::read(testdata().join("expected.json")).unwrap();
    let expected: BTreeMap<String, BTreeMap<String, (Vec<usize>, f64)>> =
        serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() >= 14, "{}", expected.len());
    for (name, tensors) in expected {
        let file = WeightsFile::open(testdata().join(&name)).unwrap();
        assert_eq!(
            file.format.contains("before"),
            name.contains("legacy"),
            "{name}"
        );
        assert!(file.notes.is_empty(), "{name}: {:?}", file.notes);
        let found = file.tree.tensors();
        assert_eq!(found.len(), tensors.len(), "{name}");
        for (path, tensor) in found {
            let (shape, sum) = &tensors[&path];
            assert_eq!(tensor.shape(), shape, "{name} {path}");
            let numbers = tensor.numbers(file.bytes()).enumerate();
            let got: f64 = numbers.map(|(i, n)| i as f64 * n).sum();
            assert_eq!(got, *sum, "{name} {path}");
        }
    }
}

#[test]
fn the_rest_of_a_checkpoint_is_told_in_words() {
    let file = WeightsFile::open(testdata().join("wrapped.pt")).unwrap();
    let Tree::Dict(entries) = &file.tree else {
        panic!("a dictionary")
    };
    let other = |key: &str| match entries.iter().find(|(k, _)| k == key) {
        Some((_, Tree::Other(words))) => words.clone(),
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(other("epoch"), "the number 3");
    assert_eq!(other("arch"), "the text `tiny`");
    assert_eq!(other("best"), "nothing");
    assert_eq!(file.sha256().len(), 64);
}

#[test]
fn whole_networks_and_foreign_objects_are_refused_by_name() {
    let error = WeightsFile::open(testdata().join("module.pt"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("__main__.Net") && error.contains("state_dict()"),
        "{error}"
    );
    for (global, says) in [
        (
            "posix\nsystem\n",
            "`posix.system`, which is no part of any weights",
        ),
        (
            "__builtin__\neval\n",
            "`__builtin__.eval`, which is no part",
        ),
        ("models.net\nResNet\n", "the class `models.net.ResNet`"),
        (
            "torch.storage\n_load_from_bytes\n",
            "`torch.storage._load_from_bytes`",
        ),
    ] {
        let pickle = [b"\x80\x02c", global.as_bytes(), b"X\x04\0\0\0true\x85R."].concat();
        let error = fails(&pytorch(&pickle, b""));
        assert!(error.contains(says), "{error}");
        let error = fails(&legacy(&pickle, b"\x80\x02].", b""));
        assert!(error.contains(says), "{error}");
    }
    let pickle = b"\x80\x02(X\x06\0\0\0modulecmodels\nNet\n";
    assert!(fails(&legacy(pickle, b"", b"")).contains("the class `models.Net`"));
    let code = zip(&[("n/data.pkl", b"\x80\x02N."), ("n/constants.pkl", b"")]);
    assert!(fails(&code).contains("TorchScript"));
    // A state dictionary that was saved as `code.pt`.
    let saved = zip(&[("code/data.pkl", b"\x80\x02N.")]);
    assert!(!fails(&saved).contains("TorchScript"));
    // Without a pickle at its top, and with code that is compressed.
    let mut packed = zip(&[("n/code/__torch__.py", b"xx"), ("n/version", b"3")]);
    let at = packed.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let first = packed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    assert!(first < at);
    packed[first + 10] = 8;
    let said = fails(&packed);
    assert!(
        said.contains("a TorchScript archive") && said.contains("state_dict()"),
        "{said}"
    );
}

#[test]
fn no_tensor_is_larger_than_its_file() {
    let bytes = [0; 24];
    let ok = pytorch(&tensor(6, 0, &[2, 3], &[3, 1]), &bytes);
    assert_eq!(
        WeightsFile::from_bytes(ok, "net.pt").unwrap().tree.count(),
        1
    );
    for (pickle, says) in [
        (tensor(6, 0, &[1 << 40], &[0]), "views that repeat"),
        (
            tensor(6, 0, &[1 << 31, 1 << 31], &[0, 0]),
            "too many numbers",
        ),
        (tensor(6, 0, &[1 << 62], &[1]), "too many numbers"),
        (tensor(1 << 62, 0, &[6], &[1]), "a storage of"),
        (tensor(7, 0, &[6], &[1]), "24 bytes, want 28"),
        (tensor(6, 1, &[6], &[1]), "leaves its storage of 6"),
        (tensor(6, 0, &[-1], &[1]), "a negative size, -1"),
        (tensor(6, 0, &[2], &[-1]), "a negative size, -1"),
        (tensor(6, 0, &[1; 17], &[0; 17]), "17 dimensions"),
    ] {
        let error = fails(&pytorch(&pickle, &bytes));
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn shared_dictionaries_are_not_written_out() {
    // d0 = {a: 1}, d1 = {a: d0, b: d0}, ...: 2^30 leaves.
    let mut pickle = b"\x80\x02}X\x01\0\0\0aK\x01sq\x010".to_vec();
    for _ in 0..12 {
        pickle.extend(
            b"}(X\x01\0\0\0ah\x01X\x01\0\0\0bh\x01X\x01\0\0\0ch\x01X\x01\0\0\0dh\x01uq\x010",
        );
    }
    pickle.extend(b"h\x01.");
    let error = fails(&pytorch(&pickle, b""));
    assert!(error.contains("over and over"), "{error}");
    // One within the other, a hundred thousand times.
    let mut deep = b"\x80\x02".to_vec();
    (0..100_000).for_each(|_| deep.extend(b"}X\x01\0\0\0a"));
    deep.extend(b"K\x01");
    deep.extend([b's'; 100_000]);
    deep.push(b'.');
    assert!(fails(&pytorch(&deep, b"")).contains("16 deep"));
    // One that lies in itself.
    let own = b"\x80\x02}q\x01X\x01\0\0\0ah\x01s.";
    assert!(fails(&pytorch(own, b"")).contains("16 deep"));
}

#[test]
fn archives_are_what_they_say() {
    let pickle = tensor(6, 0, &[6], &[1]);
    let whole = pytorch(&pickle, &[7; 24]);
    let place =
        |file: &[u8], what: &[u8]| file.windows(what.len()).rposition(|w| w == what).unwrap();
    let altered = |at: usize, by: &[u8]| {
        let mut file = whole.clone();
        file[at..at + by.len()].copy_from_slice(by);
        file
    };
    let listed = place(&whole, b"net/data/0") - 46;
    for (file, says) in [
        (altered(listed + 10, &[8, 0]), "`net/data/0` is compressed"),
        (altered(listed + 8, &[1, 0]), "is encrypted"),
        (
            altered(listed + 20, &[25, 0, 0, 0, 25, 0, 0, 0]),
            "leaves the file",
        ),
        (
            altered(listed + 42, &[0, 0, 0, 0]),
            "another name at its place",
        ),
        (
            altered(listed + 42, &[3, 0, 0, 0]),
            "is not where the archive says",
        ),
        (
            altered(place(&whole, b"net/data/0"), b"net/data/1"),
            "another name",
        ),
        (altered(0, b"PK\x03\x05"), "none of the formats"),
        (whole[..whole.len() - 1].to_vec(), "has no end"),
        (
            zip(&[("data.pkl", &pickle), ("data/0", b""), ("data/0", b"")]),
            "two entries are called",
        ),
        (
            zip(&[("a/data.pkl", &pickle), ("b/data.pkl", &pickle)]),
            "more than one",
        ),
        (zip(&[("readme.txt", b"hello")]), "without a `data.pkl`"),
        (zip(&[("n/data.pkl", &pickle)]), "no storage `data/0`"),
        (
            zip(&[
                ("n/data.pkl", &pickle),
                ("n/byteorder", b"big"),
                ("n/data/0", &[0; 24]),
            ]),
            "big-endian",
        ),
    ] {
        let error = fails(&file);
        assert!(error.contains(says), "{error}");
    }
    // An entry within another: the second's header lies in the bytes of the first.
    let inner = zip(&[("x", b"1234")]);
    let mut nested = zip(&[
        ("n/data.pkl", &pickle),
        ("n/data/0", &inner),
        ("x", b"1234"),
    ]);
    let listed = place(&nested, b"x") - 46;
    let within = nested
        .windows(inner.len())
        .position(|w| w == inner)
        .unwrap() as u32;
    nested[listed + 42..listed + 46].copy_from_slice(&within.to_le_bytes());
    assert!(fails(&nested).contains("lie in each other"));
    // A damaged storage is read, and said.
    let mut damaged = whole.clone();
    let numbers = damaged.windows(4).position(|w| w == [7; 4]).unwrap();
    damaged[numbers] = 8;
    let file = WeightsFile::from_bytes(damaged, "net.pt").unwrap();
    assert!(file.notes[0].contains("`net/data/0` is not what its CRC-32 says"));
}

#[test]
fn large_archives_have_sizes_of_64_bits() {
    let plain = zip(&[("data.pkl", b"abc")]);
    let directory = plain.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = plain.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    let mut central = plain[directory..end].to_vec();
    central[20..28].fill(0xff);
    central[42..46].fill(0xff);
    central[30] = 28;
    central.extend([1, 0, 24, 0]);
    central.extend([3u64, 3, 0].map(u64::to_le_bytes).concat());
    let mut file = plain[..directory].to_vec();
    let (start, len) = (file.len() as u64, central.len() as u64);
    file.extend(central);
    let end_64 = file.len() as u64;
    file.extend(b"PK\x06\x06");
    file.extend([&44u64.to_le_bytes()[..], &[0; 12]].concat());
    file.extend([1, 1, len, start].map(u64::to_le_bytes).concat());
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(end_64.to_le_bytes());
    file.extend([1, 0, 0, 0]);
    file.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    let entries = archive::entries(&file).unwrap();
    assert_eq!(&file[entries["data.pkl"].data.clone()], b"abc");
    // More entries than the directory can have.
    let count = file.windows(4).position(|w| w == b"PK\x06\x06").unwrap() + 32;
    file[count..count + 8].fill(0xff);
    assert!(
        archive::entries(&file)
            .unwrap_err()
            .contains("entries in a directory")
    );
}

#[test]
fn storages_before_1_6_may_be_parts_of_others() {
    // Storage `0` of 6 numbers; the tensor is of its part `p`, 2 numbers from number 3 on.
    let number = |n: u8| [b'K', n];
    let object = |first: u8, count: u8, shape: u8| {
        [
            &b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"[..],
            b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06(X\x01\0\0\0p",
            &number(first),
            &number(count),
            b"ttQK\0",
            &number(shape),
            b"\x85K\x01\x85\x89)tRs.",
        ]
        .concat()
    };
    let keys = b"\x80\x02]X\x01\0\0\x000a.";
    let mut storage = 6u64.to_le_bytes().to_vec();
    (0..6).for_each(|i| storage.extend((i as f32).to_le_bytes()));
    let file = legacy(&object(3, 2, 2), keys, &storage);
    let file = WeightsFile::from_bytes(file, "net.pt").unwrap();
    let (path, tensor) = &file.tree.tensors()[0];
    assert_eq!(
        (path.as_str(), tensor.values(file.bytes())),
        ("w", vec![3.0, 4.0])
    );
    for (file, says) in [
        (
            legacy(&object(3, 2, 3), keys, &storage),
            "leaves its storage of 2",
        ),
        (
            legacy(&object(5, 2, 2), keys, &storage),
            "2 numbers from number 5 on of storage `0`",
        ),
        (
            legacy(&object(3, 2, 2), keys, &storage[..31]),
            "ends within storage `0`",
        ),
        (
            legacy(&object(3, 2, 2), keys, &[&storage[..], b"x"].concat()),
            "1 bytes behind",
        ),
        (
            legacy(&object(3, 2, 2), b"\x80\x02].", b""),
            "has no storage `0`",
        ),
        (
            legacy(&object(3, 2, 2), b"\x80\x02]X\x01\0\0\x001a.", &storage),
            "no tensor is of",
        ),
        (
            legacy(&object(3, 2, 2), keys, &[&[7], &storage[1..]].concat()),
            "7 numbers, its tensors say 6",
        ),
    ] {
        let error = fails(&file);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn dictionaries_of_python_2_are_made_of_pairs() {
    let tensor = tensor(6, 0, &[6], &[1]);
    let value = &tensor[9..tensor.len() - 2];
    let pickle = [
        &b"\x80\x02ccollections\nOrderedDict\n](](U\x01w"[..],
        value,
        b"ee\x85R.",
    ]
    .concat();
    let file = WeightsFile::from_bytes(pytorch(&pickle, &[0; 24]), "net.pt").unwrap();
    assert_eq!(file.tree.tensors()[0].0, "w");
}

#[test]
fn settings_beside_a_network_are_read_over() {
    let tensor = tensor(6, 0, &[6], &[1]);
    let entry = &tensor[3..tensor.len() - 1];
    let pickle = [
        &b"\x80\x02}"[..],
        // Lightning's settings are a dictionary of its own class, those of argparse an object.
        b"X\x01\0\0\0hcpytorch_lightning.utilities.parsing\nAttributeDict\n)\x81(X\x02\0\0\0lrK\x01us",
        b"X\x01\0\0\0acargparse\nNamespace\n)\x81}X\x02\0\0\0lrK\x01sbs",
        // A callback is the key of its state.
        b"X\x01\0\0\0c}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\nK\x01ss",
        entry,
        b".",
    ]
    .concat();
    let file = WeightsFile::from_bytes(pytorch(&pickle, &[0; 24]), "net.ckpt").unwrap();
    let found = file.tree.tensors();
    assert_eq!((found.len(), found[0].0.as_str()), (1, "w"));
}

#[test]
fn other_files_are_called_by_their_name() {
    for (bytes, says) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1",
            "git lfs pull",
        ),
        (b"\x89HDF\r\n\x1a\n..", "HDF5"),
        (b"\x80\x04}.", "a pickle that is none of PyTorch's"),
        (b"hello", "none of the formats that are read: PyTorch (zip)"),
    ] {
        let error = fails(bytes);
        assert!(error.contains(says), "{error}");
    }
    let missing = WeightsFile::open("nowhere.pt").err().unwrap();
    assert_eq!(missing.exit_code(), 2);
    assert_eq!(WeightsFile::open(testdata()).err().unwrap().exit_code(), 2);
}

#[test]
fn mutated_files_fail_or_stay_within_their_size() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pt"))
        .collect();
    names.sort();
    let mut state = 9u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for path in names {
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..1000 {
            let mut file = whole.clone();
            for _ in 0..=next(4) {
                let at = next(file.len());
                match next(5) {
                    0 => file.truncate(at.max(1)),
                    1 => drop(file.splice(at..at, [next(256) as u8])),
                    2 => file[at] = 0xff,
                    _ => file[at] = next(256) as u8,
                }
            }
            let len = file.len();
            if let Ok(file) = WeightsFile::from_bytes(file, "net.pt") {
                let tensors = file.tree.tensors();
                let bytes: usize = tensors.iter().map(|(_, t)| t.bytes()).sum();
                assert!(bytes <= 4 * len, "{bytes} of {len}");
                tensors
                    .iter()
                    .for_each(|(_, t)| assert_eq!(t.values(file.bytes()).len(), t.count()));
            }
        }
    }
}

/// A safetensors file of a state, each name with a prefix.
pub fn safetensors_of(state: &frbench_engine::StateDict, prefix: &str) -> Vec<u8> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (format!("{prefix}{name}"), shape.clone(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.clone(), view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// `{"epoch": 3, PLACE: state}` as PyTorch wrote it before 1.6.
pub fn legacy_of(state: &frbench_engine::StateDict, place: &str) -> Vec<u8> {
    let text = |t: &str| [b"X", &(t.len() as u32).to_le_bytes()[..], t.as_bytes()].concat();
    let number = |n: usize| [b"J", &(n as u32).to_le_bytes()[..]].concat();
    let mut object = [
        b"\x80\x02}",
        &text("epoch")[..],
        b"K\x03s",
        &text(place),
        b"}",
    ]
    .concat();
    let (mut keys, mut storages) = (b"\x80\x02](".to_vec(), Vec::new());
    for (i, (name, (shape, values))) in state.iter().enumerate() {
        let strides = crate::tensor::row_major(shape).unwrap();
        let tuple = |sizes: &[usize]| {
            let sizes: Vec<u8> = sizes.iter().flat_map(|s| number(*s)).collect();
            [b"(", &sizes[..], b"t"].concat()
        };
        object.extend(text(name));
        object.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        object.extend(text("storage"));
        object.extend(b"ctorch\nFloatStorage\n");
        object.extend([text(&i.to_string()), text("cpu"), number(values.len())].concat());
        object.extend(b"NtQK\0");
        object.extend([tuple(shape), tuple(&strides)].concat());
        object.extend(b"\x89)tRs");
        keys.extend(text(&i.to_string()));
        storages.extend((values.len() as u64).to_le_bytes());
        storages.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    object.extend(b"s.");
    keys.extend(b"e.");
    legacy(&object, &keys, &storages)
}
