//! Records of TensorFlow: length, its checksum, content, its checksum; all little-endian.

use crc::{CRC_32_ISCSI, Crc};

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A record with this content.
pub(super) fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(content.len() + 16);
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(content);
    out.extend(masked(content).to_le_bytes());
    out
}

/// CRC-32C, turned and shifted, so that the checksum of bytes that hold checksums is none of them.
fn masked(bytes: &[u8]) -> u32 {
    let sum = CASTAGNOLI.checksum(bytes);
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The remainder, bit by bit.
    fn by_division(bytes: &[u8]) -> u32 {
        let mut sum = u32::MAX;
        for byte in bytes {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
            }
        }
        !sum
    }

    #[test]
    fn checksums_are_of_the_polynomial_of_castagnoli() {
        // RFC 3720, B.4.
        assert_eq!(by_division(&[0; 32]), 0x8a91_36aa);
        assert_eq!(by_division(b"123456789"), 0xe306_9283);
        for n in 0..300usize {
            let bytes: Vec<u8> = (0..n).map(|i| (i * i) as u8).collect();
            assert_eq!(CASTAGNOLI.checksum(&bytes), by_division(&bytes));
        }
    }

    #[test]
    fn a_record_has_its_length_and_two_checksums() {
        let found = record(b"ab");
        assert_eq!(found.len(), 8 + 4 + 2 + 4);
        assert_eq!(&found[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&found[12..14], b"ab");
        let unmasked = |at: usize| {
            let bytes = [0, 1, 2, 3].map(|i| found[at + i]);
            let sum = u32::from_le_bytes(bytes).wrapping_sub(0xa282_ead8);
            sum.rotate_left(15)
        };
        assert_eq!(unmasked(8), by_division(&found[..8]));
        assert_eq!(unmasked(14), by_division(b"ab"));
    }
}
