//! PyTorch's files since 1.6: an archive with a pickle, `data.pkl`, and an entry for each storage.

use super::torch::{Torch, storage_bytes, tree};
use super::{Contents, Reader, archive};
use frbench_pickle::read as unpickle;

pub(super) const READER: Reader = Reader {
    name: "PyTorch (zip)",
    recognises: |file| file.starts_with(archive::LOCAL),
    read,
};

fn read(file: &[u8]) -> Result<Contents, String> {
    // Its code is compressed, which no other archive of PyTorch's is.
    let is_script = |name: &String| {
        let inner = name.split_once('/').map_or("", |(_, inner)| inner);
        // `code` alone may be the name of a file of weights, and so of its folder.
        let of_script = |name: &str| name == "constants.pkl" || name.starts_with("code/__torch__");
        of_script(name) || of_script(inner)
    };
    if archive::names(file)?.iter().any(is_script) {
        return Err(
            "a TorchScript archive, whose networks are code: save the state dictionary of the \
             network, `torch.save(model.state_dict(), ...)`, or export it as ONNX"
                .into(),
        );
    }
    let entries = archive::entries(file)?;
    let mut pickles = entries
        .keys()
        .filter_map(|name| name.strip_suffix("data.pkl"));
    let pickles = (pickles.next(), pickles.next());
    // All entries lie in one folder, whose name is that of the file.
    let folder = match pickles {
        (Some(folder), None) if folder.is_empty() || folder.ends_with('/') => folder,
        (None, _) => {
            return Err("a zip archive without a `data.pkl`, so none of PyTorch's".into());
        }
        _ => return Err("an archive with more than one `data.pkl`".into()),
    };
    let entry = |name: &str| entries.get(&format!("{folder}{name}"));
    if let Some(order) = entry("byteorder") {
        let order = String::from_utf8_lossy(&file[order.data.clone()]);
        if order != "little" {
            let order: String = order.chars().take(20).collect();
            return Err(format!(
                "its numbers are {order}-endian, want little-endian"
            ));
        }
    }
    let mut notes = Vec::new();
    let mut damaged = 0;
    for (name, entry) in &entries {
        if crc32fast::hash(&file[entry.data.clone()]) != entry.crc {
            damaged += 1;
            if damaged == 1 {
                notes.push(format!("entry `{name}` is not what its CRC-32 says"));
            }
        }
    }
    if damaged > 1 {
        notes.push(format!("so are {} more entries", damaged - 1));
    }
    let pickle = entry("data.pkl").ok_or("no `data.pkl`")?;
    let found = unpickle(&file[pickle.data.clone()], 0, &Torch)
        .map_err(|fault| format!("data.pkl, {fault}"))?;
    let place = |storage: &super::torch::Storage| {
        let key = &storage.key;
        let entry = entry(&format!("data/{key}"));
        let entry = entry.ok_or_else(|| format!("the archive has no storage `data/{key}`"))?;
        let (want, have) = (storage_bytes(storage)?, entry.data.len());
        match want == have {
            true => Ok(entry.data.clone()),
            false => Err(format!(
                "storage `data/{key}` has {have} bytes, want {want}"
            )),
        }
    };
    Ok(Contents {
        tree: tree(&found.heap, &found.value, file.len(), &place)?,
        notes,
    })
}
