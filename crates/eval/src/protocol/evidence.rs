//! Evidence files: one-dimensional NumPy arrays (`.npy`, format 1.0).

/// `f64` values.
pub fn npy_f64(values: &[f64]) -> Vec<u8> {
    npy(
        "<f8",
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
    }
}
