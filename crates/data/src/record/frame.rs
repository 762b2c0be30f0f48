//! Framing (dmlc-core `recordio.h`): magic, 3 bits of continuation flag with 29 bits of
//! length, payload, zero bytes to a multiple of four. A payload that holds the magic word at
//! an aligned offset is split there, and the word itself is left out.

use std::borrow::Cow;
use std::io::{self, Write};

pub const MAGIC: u32 = 0xced7_230a;
/// Lengths have 29 bits.
pub const MAX_LEN: usize = (1 << 29) - 1;

const WHOLE: u32 = 0;
const FIRST: u32 = 1;
const MIDDLE: u32 = 2;
const LAST: u32 = 3;

fn word(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// One frame: its flag, its payload and where the next frame starts.
fn part(file: &[u8], at: usize) -> Result<(u32, &[u8], usize), String> {
    let magic = word(file, at).ok_or("the file ends inside a record's magic number")?;
    if magic != MAGIC {
        return Err(format!(
            "magic number is {magic:#010x}, a record starts with {MAGIC:#010x}"
        ));
    }
    let lrec = word(file, at + 4).ok_or("the file ends inside a record's length")?;
    let (flag, len) = (lrec >> 29, (lrec & MAX_LEN as u32) as usize);
    let start = at + 8;
    let payload = file.get(start..start + len).ok_or_else(|| {
        format!(
            "the file ends inside the record: {len} bytes announced, {} left",
            file.len().saturating_sub(start)
        )
    })?;
    // The last record of a file that some tool did not pad is still whole.
    Ok((
        flag,
        payload,
        (start + len.next_multiple_of(4)).min(file.len()),
    ))
}

/// The record at byte `at`, its parts joined, and the offset of the record after it.
pub fn read(file: &[u8], at: usize) -> Result<(Cow<'_, [u8]>, usize), String> {
    let (flag, payload, mut next) = part(file, at)?;
    match flag {
        WHOLE => return Ok((Cow::Borrowed(payload), next)),
        FIRST => {}
        _ => return Err(format!("a record starts with continuation flag {flag}")),
    }
    let mut joined = payload.to_vec();
    loop {
        let (flag, payload, after) = part(file, next)?;
        if flag != MIDDLE && flag != LAST {
            return Err(format!(
                "a split record goes on with flag {flag} at offset {next}, want 2 or 3"
            ));
        }
        joined.extend_from_slice(&MAGIC.to_le_bytes());
        joined.extend_from_slice(payload);
        next = after;
        if flag == LAST {
            return Ok((Cow::Owned(joined), next));
        }
    }
}

/// Writes `payload` as one record and returns the bytes written.
pub fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<u64> {
    let cuts: Vec<usize> = payload
        .chunks_exact(4)
        .enumerate()
        .filter(|(_, w)| *w == MAGIC.to_le_bytes())
        .map(|(i, _)| 4 * i)
        .collect();
    let mut written = 0;
    let mut start = 0;
    for k in 0..=cuts.len() {
        let end = cuts.get(k).copied().unwrap_or(payload.len());
        let flag = match (cuts.is_empty(), k == 0, k == cuts.len()) {
            (true, ..) => WHOLE,
            (_, true, _) => FIRST,
            (_, _, true) => LAST,
            _ => MIDDLE,
        };
        let part = &payload[start..end];
        if part.len() > MAX_LEN {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a record of {} bytes; RecordIO holds at most {MAX_LEN}",
                    part.len()
                ),
            ));
        }
        out.write_all(&MAGIC.to_le_bytes())?;
        out.write_all(&(flag << 29 | part.len() as u32).to_le_bytes())?;
        out.write_all(part)?;
        let padding = part.len().next_multiple_of(4) - part.len();
        out.write_all(&[0; 3][..padding])?;
        written += (8 + part.len() + padding) as u64;
        start = end + 4;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_record_is_laid_out_as_dmlc_does() {
        let mut out = Vec::new();
        assert_eq!(write(&mut out, b"abcde").unwrap(), 16);
        assert_eq!(out, b"\x0a\x23\xd7\xce\x05\x00\x00\x00abcde\0\0\0");
        let (payload, next) = read(&out, 0).unwrap();
        assert_eq!((&*payload, next), (&b"abcde"[..], 16));
    }

    #[test]
    fn an_aligned_magic_word_splits_and_an_unaligned_one_does_not() {
        let magic = MAGIC.to_le_bytes();
        let payload = [b"1234", &magic[..], &magic[..], b"xy"].concat();
        let mut out = Vec::new();
        write(&mut out, &payload).unwrap();
        let flags: Vec<u32> = [0, 12, 20]
            .map(|at| word(&out, at + 4).unwrap() >> 29)
            .into();
        assert_eq!(flags, [FIRST, MIDDLE, LAST]);
        assert_eq!(*read(&out, 0).unwrap().0, payload[..]);

        let mut out = Vec::new();
        let payload = [b"1", &magic[..], b"xyz"].concat();
        write(&mut out, &payload).unwrap();
        assert_eq!(word(&out, 4).unwrap() >> 29, WHOLE);
        assert_eq!(*read(&out, 0).unwrap().0, payload[..]);
    }

    #[test]
    fn broken_frames_are_errors() {
        let mut out = Vec::new();
        write(&mut out, &MAGIC.to_le_bytes()).unwrap();
        assert!(read(&out, 0).is_ok());
        assert!(read(&out[..8], 0).unwrap_err().contains("ends"));
        assert!(read(&out, 8).unwrap_err().contains("flag 3"));
        assert!(read(&out, 4).unwrap_err().contains("magic"));
        assert!(read(&out, usize::MAX - 2).is_err());
    }
}
