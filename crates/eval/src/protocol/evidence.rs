//! Evidence files: one-dimensional NumPy arrays (`.npy`, format 1.0).

/// `f64` values.
pub fn npy_f64(values: &[f64]) -> Vec<u8> {
    npy(
        "<f8",
        values.len(),
        values.iter().flat_map(|v| v.to_le_bytes()),
    )
}

/// `f32` values.
pub fn npy_f32(values: &[f32]) -> Vec<u8> {
    npy(
        "<f4",
        values.len(),
        values.iter().flat_map(|v| v.to_le_bytes()),
    )
}

/// `u32` values.
pub fn npy_u32(values: &[u32]) -> Vec<u8> {
    npy(
        "<u4",
        values.len(),
        values.iter().flat_map(|v| v.to_le_bytes()),
    )
}

/// Flags.
pub fn npy_bool(values: &[bool]) -> Vec<u8> {
    npy("|b1", values.len(), values.iter().map(|&v| u8::from(v)))
}

fn npy(descr: &str, len: usize, data: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({len},), }}");
    // Magic, version, length and header together fill a multiple of 64, ended by a newline.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.extend(data);
    out
}

/// What [`npy_u32`] has written; none for anything else.
pub fn read_u32(bytes: &[u8]) -> Option<Vec<u32>> {
    let words = words(bytes, "<u4")?;
    Some(words.map(u32::from_le_bytes).collect())
}

/// What [`npy_f32`] has written; none for anything else.
pub fn read_f32(bytes: &[u8]) -> Option<Vec<f32>> {
    let words = words(bytes, "<f4")?;
    Some(words.map(f32::from_le_bytes).collect())
}

/// The values of a file of this kind, four bytes each.
fn words<'a>(bytes: &'a [u8], descr: &str) -> Option<impl Iterator<Item = [u8; 4]> + 'a> {
    // The header follows from the number of values.
    let length = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    let data = bytes.get(10 + usize::from(length)..)?;
    let header = npy(descr, data.len() / 4, std::iter::empty());
    let known = data.len() % 4 == 0 && bytes.starts_with(&header);
    known.then(|| data.chunks_exact(4).map(|w| [w[0], w[1], w[2], w[3]]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_those_of_numpy_save() {
        // numpy.save of numpy.array([1, 256], dtype="<u4"): 128-byte header, then the data.
        let bytes = super::npy_u32(&[1, 256]);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(
            &bytes[10..69],
            b"{'descr': '<u4', 'fortran_order': False, 'shape': (2,), }  "
        );
        assert_eq!(bytes[127], b'\n');
        assert_eq!(bytes[128..], [1, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(super::read_u32(&bytes), Some(vec![1, 256]));
        assert_eq!(super::read_f32(&bytes), None);
        assert_eq!(super::read_u32(&bytes[..130]), None);
        assert_eq!(super::read_u32(&bytes[..9]), None);
        let floats = [0.5, -1.25, 3e-9];
        assert_eq!(
            super::read_f32(&super::npy_f32(&floats)),
            Some(floats.to_vec())
        );
    }
}
