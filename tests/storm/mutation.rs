//! What happens to the bytes of a file.

use frbench::rng::Stream;

/// A few of: a byte changed, a run of them cut, doubled, moved or filled, a number made huge.
pub fn mutate(seed: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + stream.below(4) {
        let len = bytes.len() as u64;
        if len == 0 {
            break;
        }
        let at = stream.below(len) as usize;
        let run = (1 + stream.below(16)) as usize;
        let end = (at + run).min(bytes.len());
        match stream.below(7) {
            0 => bytes[at] ^= 1 << stream.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            4 => bytes[at..end].fill(0xff),
            5 => bytes[at..end].fill(0),
            _ => drop(bytes.splice(at..end, *b"99999999999999999999")),
        }
    }
    bytes
}
