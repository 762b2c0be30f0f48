//! Zip archives whose entries are stored as they are: where each entry lies in the file.
//!
//! Only what PyTorch writes is read. Entries that are compressed, encrypted, leave the file, lie in
//! each other or have one name are refused, so that no entry is larger than it is.

use std::collections::BTreeMap;
use std::ops::Range;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where its bytes are.
    pub data: Range<usize>,
    /// The CRC-32 that the archive states.
    pub crc: u32,
}

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
pub const LOCAL: &[u8] = b"PK\x03\x04";

/// The names of all entries, of those that are not read, too.
pub fn names(file: &[u8]) -> Result<Vec<String>, String> {
    let (count, directory) = directory(file)?;
    let mut rest = Fields {
        file,
        at: directory.start,
    };
    let name = |_| Ok(central(&mut rest, directory.end)?.0);
    (0..count).map(name).collect()
}

/// The entries of the archive by name, folders left out.
pub fn entries(file: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let (count, directory) = directory(file)?;
    let end_of_entries = directory.start;
    let mut found = BTreeMap::new();
    let mut taken: Vec<(Range<usize>, String)> = Vec::new();
    let mut rest = Fields {
        file,
        at: directory.start,
    };
    for _ in 0..count {
        let (name, entry) = central(&mut rest, directory.end)?;
        entry.refuse_packed(&name)?;
        let (start, size) = entry.place;
        let at = local(file, start, &name)?;
        let data = at..at.saturating_add(size);
        if data.end > end_of_entries {
            return Err(outside(&name));
        }
        taken.push((start..data.end, name.clone()));
        if name.ends_with('/') {
            continue;
        }
        let entry = Entry {
            data,
            crc: entry.crc,
        };
        if found.insert(name.clone(), entry).is_some() {
            return Err(format!("two entries are called `{name}`"));
        }
    }
    taken.sort_by_key(|(range, _)| (range.start, range.end));
    for pair in taken.windows(2) {
        let [(first, one), (second, other)] = pair else {
            continue;
        };
        if second.start < first.end {
            return Err(format!(
                "the entries `{one}` and `{other}` lie in each other"
            ));
        }
    }
    Ok(found)
}

/// Where the bytes of the entry begin whose header is at `start`.
fn local(file: &[u8], start: usize, name: &str) -> Result<usize, String> {
    let mut fields = Fields { file, at: start };
    let damaged = |_| outside(name);
    if fields.take(4).map_err(damaged)? != LOCAL {
        return Err(format!("entry `{name}` is not where the archive says"));
    }
    fields.skip(22).map_err(damaged)?;
    let len = fields.u16().map_err(damaged)?;
    let extra = fields.u16().map_err(damaged)?;
    if String::from_utf8_lossy(fields.take(len.into()).map_err(damaged)?) != name {
        return Err(format!("entry `{name}` has another name at its place"));
    }
    fields.skip(extra.into()).map_err(damaged)?;
    Ok(fields.at)
}

fn outside(name: &str) -> String {
    format!("entry `{name}` leaves the file; is the file whole?")
}

/// The number of entries, and where the directory lies.
fn directory(file: &[u8]) -> Result<(u64, Range<usize>), String> {
    // The end is 22 bytes and a comment of at most 65,535, which ends with the file.
    let first = file.len().saturating_sub(22 + 0xffff);
    let places = (first..=file.len().saturating_sub(22)).rev();
    let ends = |at: &usize| {
        let mut fields = Fields { file, at: *at };
        fields.take(4).is_ok_and(|magic| magic == END)
            && fields.skip(16).is_ok()
            && fields
                .u16()
                .is_ok_and(|comment| at + 22 + usize::from(comment) == file.len())
    };
    let mut places = places.filter(ends);
    let end = places
        .next()
        .ok_or("the archive has no end; is the file whole?")?;
    if places.next().is_some() {
        return Err("the archive has two ends".into());
    }
    let mut fields = Fields { file, at: end + 4 };
    let (disk, first_disk) = (fields.u16()?, fields.u16()?);
    let (_, entries) = (fields.u16()?, fields.u16()?);
    let (size, offset) = (fields.u32()?, fields.u32()?);
    let mut found = (u64::from(entries), u64::from(size), u64::from(offset));
    // Behind a locator of 20 bytes are the same in 64 bits.
    if let Some(at) = end
        .checked_sub(20)
        .filter(|at| file[*at..].starts_with(LOCATOR_64))
    {
        let mut locator = Fields { file, at: at + 8 };
        let place = locator.u64()?;
        let mut fields = Fields {
            file,
            at: usize::try_from(place).unwrap_or(usize::MAX),
        };
        if fields.take(4)? != END_64 {
            return Err("the archive's end in 64 bits is not where it says".into());
        }
        fields.skip(28)?;
        found = (fields.u64()?, fields.u64()?, fields.u64()?);
    }
    let (entries, size, offset) = found;
    let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
    let range = range.and_then(|(offset, size)| Some(offset..offset.checked_add(size)?));
    let range = range.filter(|range| range.end <= end && (disk, first_disk) == (0, 0));
    let range = range.ok_or("the archive's directory leaves the file")?;
    // An entry of the directory is 46 bytes and a name.
    if entries > range.len() as u64 / 46 {
        return Err(format!(
            "{entries} entries in a directory of {} bytes",
            range.len()
        ));
    }
    Ok((entries, range))
}

/// What the directory says of an entry.
struct Listed {
    crc: u32,
    /// Where its header begins, and how many bytes it has.
    place: (usize, usize),
    encrypted: bool,
    compressed: bool,
}

impl Listed {
    fn refuse_packed(&self, name: &str) -> Result<(), String> {
        if self.encrypted {
            return Err(format!("entry `{name}` is encrypted"));
        }
        if self.compressed {
            return Err(format!(
                "entry `{name}` is compressed, which PyTorch does not do: unpack the archive and \
                 pack it again without compression (`zip -0`)"
            ));
        }
        Ok(())
    }
}

fn central(fields: &mut Fields, end: usize) -> Result<(String, Listed), String> {
    if fields.take(4)? != CENTRAL {
        return Err("the archive's directory is damaged".into());
    }
    fields.skip(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(4)?;
    let crc = fields.u32()?;
    let mut sizes = [u64::from(fields.u32()?), u64::from(fields.u32()?), 0];
    let [name, extra, comment] = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
    fields.skip(8)?;
    sizes[2] = fields.u32()?.into();
    let name = String::from_utf8_lossy(fields.take(name)?).into_owned();
    // Sizes of 32 ones are in the extra field 1, in 64 bits, in this order: bytes, bytes as they
    // are stored, place.
    let extra = fields.take(extra)?;
    let mut wide = Fields {
        file: wide(extra),
        at: 0,
    };
    for at in [1, 0, 2] {
        if sizes[at] == 0xffff_ffff {
            sizes[at] = wide
                .u64()
                .map_err(|_| format!("entry `{name}` has no size"))?;
        }
    }
    fields.skip(comment)?;
    if fields.at > end {
        return Err("the archive's directory is damaged".into());
    }
    let [start, size] = [sizes[2], sizes[0]].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let listed = Listed {
        crc,
        place: (start, size),
        encrypted: flags & 1 != 0,
        compressed: method != 0 || sizes[0] != sizes[1],
    };
    Ok((name, listed))
}

/// The field of 64-bit sizes among extra fields.
fn wide(extra: &[u8]) -> &[u8] {
    let mut fields = Fields { file: extra, at: 0 };
    while let (Ok(id), Ok(len)) = (fields.u16(), fields.u16()) {
        match fields.take(len.into()) {
            Ok(field) if id == 1 => return field,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    &[]
}

/// Little-endian numbers, one after another.
struct Fields<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len);
        let bytes = end.and_then(|end| self.file.get(self.at..end));
        let bytes = bytes.ok_or("the archive is damaged: a field leaves it")?;
        self.at += len;
        Ok(bytes)
    }

    fn skip(&mut self, len: usize) -> Result<(), String> {
        self.take(len).map(drop)
    }

    fn number(&mut self, len: usize) -> Result<u64, String> {
        let bytes = self.take(len)?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(self.number(2)? as u16)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.number(4)? as u32)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.number(8)
    }
}
