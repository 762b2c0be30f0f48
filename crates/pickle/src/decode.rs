//! Text and bytes that pickles write in another form.

/// The bytes whose latin1 reading is `utf8`.
pub(crate) fn latin1(utf8: &str) -> Result<Vec<u8>, String> {
    utf8.chars()
        .map(|c| u8::try_from(c).map_err(|_| "text beyond latin1".to_string()))
        .collect()
}

/// A quoted string of protocol 0, as Python 2's `repr` writes it.
pub(crate) fn unescape(line: &[u8]) -> Result<Vec<u8>, String> {
    let inner = match line {
        [q @ (b'\'' | b'"'), inner @ .., end] if q == end => inner,
        _ => return Err("a string without its quotes".into()),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&b) = rest.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'x') => {
                let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (16 * high + low) as u8,
                    _ => return Err("a broken \\x escape".into()),
                }
            }
            Some(&c @ (b'\\' | b'\'' | b'"')) => c,
            _ => return Err("an unknown escape".into()),
        });
    }
    Ok(out)
}

/// A whole number of at most 64 bits from its bytes, little-endian, in two's complement.
pub(crate) fn whole(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}
