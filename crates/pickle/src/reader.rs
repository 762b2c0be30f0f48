//! The bytes of a pickle, one after another.

use std::ops::Range;

pub(crate) struct Reader<'a> {
    pub file: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub fn take(&mut self, len: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(len).filter(|e| *e <= self.file.len());
        let end = end.ok_or_else(|| {
            format!(
                "the file ends: {len} bytes wanted, {} left",
                self.file.len() - self.at
            )
        })?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    /// A little-endian unsigned number of `len <= 8` bytes.
    pub fn number(&mut self, len: usize) -> Result<u64, String> {
        let range = self.take(len)?;
        Ok(self.file[range]
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// Bytes behind a length of `len` bytes.
    pub fn counted(&mut self, len: usize) -> Result<Range<usize>, String> {
        let n = self.number(len)?;
        self.take(usize::try_from(n).map_err(|e| e.to_string())?)
    }

    /// The rest of the line, without its newline.
    pub fn line(&mut self) -> Result<Range<usize>, String> {
        let rest = &self.file[self.at..];
        let len = rest.iter().position(|b| *b == b'\n');
        let len = len.ok_or("the file ends inside a line")?;
        let start = self.at;
        self.at += len + 1;
        Ok(start..start + len)
    }

    /// A line that is one number.
    pub fn line_of<N: std::str::FromStr>(&mut self, what: &str) -> Result<N, String> {
        let line = self.line()?;
        let text = std::str::from_utf8(&self.file[line]).unwrap_or("?");
        let digits = text.strip_suffix('L').unwrap_or(text);
        digits.parse().map_err(|_| format!("not {what}"))
    }
}
