//! How much memory the work on a case takes, known before any of it is allocated.
//!
//! A file of a few hundred bytes can ask for any amount: two long columns for the matrix of their
//! products, a shape in its metadata for a whole network.

use super::Case;
use frbench_base::{Error, Result};

/// Bytes that the work on one case may take.
pub(super) const MOST: u64 = 4 << 30;

/// Arrays that a computation holds at once: what they are, how many of them, and their shape.
pub(super) type Held<'a> = (&'a str, usize, &'a [usize]);

/// Refuses a case whose work holds more than [`MOST`], at 8 bytes a number.
///
/// # Errors
/// [`Error::Data`] with the largest of what would be held.
pub(super) fn check(case: &Case, held: &[Held]) -> Result<()> {
    let bytes = |&(_, count, shape): &Held| bytes(count, shape);
    let all = held.iter().map(bytes);
    if all.fold(0, u64::saturating_add) <= MOST {
        return Ok(());
    }
    let largest = held.iter().max_by_key(|h| bytes(h));
    let said = largest.map_or(String::new(), |(what, _, shape)| {
        format!(", above all for {what} {shape:?}")
    });
    Err(Error::Data(format!(
        "{}: the work on this case takes more than {} GiB of memory{said}; make it smaller",
        case.path.display(),
        MOST >> 30
    )))
}

/// `count` arrays of this shape; what no 64-bit number can say is as much as one can.
fn bytes(count: usize, shape: &[usize]) -> u64 {
    let mut sizes = shape.iter().chain([&count]);
    let product = sizes.try_fold(8u64, |bytes, &n| bytes.checked_mul(u64::try_from(n).ok()?));
    // Nothing times something unsayable is nothing.
    match shape.contains(&0) || count == 0 {
        true => 0,
        false => product.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_do_not_wrap() {
        assert_eq!(bytes(2, &[3, 4]), 192);
        assert_eq!(bytes(1, &[]), 8);
        assert_eq!(bytes(1, &[1 << 62]), u64::MAX);
        assert_eq!(bytes(3, &[usize::MAX, usize::MAX]), u64::MAX);
        assert_eq!(bytes(1, &[usize::MAX, usize::MAX, 0]), 0);
    }
}
