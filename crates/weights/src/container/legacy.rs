//! PyTorch's files before 1.6: five pickles, then the storages.
//!
//! The pickles are a magic number, a version, what machine wrote it, the object, and the list of
//! the storages' keys. In that order follow the storages: how many numbers, in 64 bits, and the
//! numbers.

use super::torch::{Item, Storage, Torch, tree};
use super::{Contents, Reader};
use frbench_pickle::{Heap, Object, Pickle, Value, read as unpickle};
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) const READER: Reader = Reader {
    name: "PyTorch (before 1.6)",
    recognises: |file| file.starts_with(b"\x80\x02\x8a\x0a") && file[4..].starts_with(MAGIC),
    read,
};

const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const VERSION: i64 = 1001;

fn read(file: &[u8]) -> Result<Contents, String> {
    let next = |start: usize, what: &str| -> Result<Pickle<Item>, String> {
        unpickle(file, start, &Torch).map_err(|fault| format!("{what}, {fault}"))
    };
    let magic = next(0, "magic number")?;
    let version = next(magic.end, "version")?;
    if version.value != Value::Int(VERSION) {
        return Err(format!(
            "version {:?} of PyTorch's format, want {VERSION}",
            version.value
        ));
    }
    let machine = next(version.end, "system")?;
    let facts = machine.heap.dict(&machine.value).unwrap_or_default();
    let little = facts
        .iter()
        .find(|(key, _)| machine.heap.text(key) == Some("little_endian"));
    match little {
        Some((_, Value::Bool(true))) => {}
        Some((_, Value::Bool(false))) => {
            return Err("its numbers are big-endian, want little-endian".into());
        }
        _ => return Err("the file does not say the order of its bytes".into()),
    }
    let object = next(machine.end, "object")?;
    let keys = next(object.end, "keys")?;
    let storages = storages(&object.heap)?;
    let places = places(file, &keys, &storages)?;
    let place = |storage: &Storage| {
        let place = places.get(&storage.key).cloned();
        place.ok_or_else(|| format!("the file has no storage `{}`", storage.key))
    };
    Ok(Contents {
        tree: tree(&object.heap, &object.value, file.len(), &place)?,
        notes: Vec::new(),
    })
}

/// The storages that the object names, by key.
fn storages<'a>(heap: &'a Heap<Item>) -> Result<BTreeMap<&'a str, &'a Storage>, String> {
    let mut all: BTreeMap<&str, &Storage> = BTreeMap::new();
    for object in heap.objects() {
        let Object::Item(Item::Storage(storage)) = object else {
            continue;
        };
        let first = all.entry(&storage.key).or_insert(storage);
        if (first.dtype, first.count) != (storage.dtype, storage.count) {
            return Err(format!(
                "storage `{}` is of {} numbers of type {} here, of {} of type {} there",
                storage.key,
                first.count,
                first.dtype.name(),
                storage.count,
                storage.dtype.name()
            ));
        }
    }
    Ok(all)
}

/// Where the numbers of each storage are.
fn places(
    file: &[u8],
    keys: &Pickle<Item>,
    storages: &BTreeMap<&str, &Storage>,
) -> Result<BTreeMap<String, Range<usize>>, String> {
    let list = keys
        .heap
        .sequence(&keys.value)
        .ok_or("the keys of storages are no list")?;
    let mut places = BTreeMap::new();
    let mut at = keys.end;
    for key in list {
        let key = match key {
            Value::Int(n) => n.to_string(),
            key => keys
                .heap
                .text(key)
                .ok_or("a storage without a key")?
                .to_string(),
        };
        let storage = storages.get(key.as_str());
        let storage = storage.ok_or_else(|| format!("no tensor is of storage `{key}`"))?;
        let cut = || format!("the file ends within storage `{key}`");
        let (head, rest) = file[at..].split_first_chunk::<8>().ok_or_else(cut)?;
        let count = i64::from_le_bytes(*head);
        if usize::try_from(count) != Ok(storage.count) {
            return Err(format!(
                "storage `{key}` has {count} numbers, its tensors say {}",
                storage.count
            ));
        }
        let bytes = storage.count.checked_mul(storage.dtype.size());
        let bytes = bytes.filter(|n| *n <= rest.len()).ok_or_else(cut)?;
        let start = at + 8;
        at = start + bytes;
        if places.insert(key.clone(), start..at).is_some() {
            return Err(format!("storage `{key}` is there twice"));
        }
    }
    match at == file.len() {
        true => Ok(places),
        false => Err(format!("{} bytes behind the last storage", file.len() - at)),
    }
}
