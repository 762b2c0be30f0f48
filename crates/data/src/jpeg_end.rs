//! Whether the data of a JPEG file last to the end of its picture.
//!
//! A file that was cut and got its end marker (`ffd9`) back looks whole: a decoder that finds the
//! marker too early reads zeros from there on, and the rest of the picture is of one colour. What
//! tells is whether the decoder still wants a Huffman code there. No code consists of ones alone
//! (ITU-T T.81, annex C; zune-jpeg refuses tables with one), and the bits that fill up the last
//! byte of a scan are ones. So ones are put between the data of the last scan and the marker: a
//! whole picture ends before them and keeps its pixels; to one that is cut they are no code.
//!
//! Some cuts are not seen:
//!
//! - one that takes only the last bits of the last block;
//! - in a progressive file, one within bits that refine a picture;
//! - in a progressive file, the loss of whole scans: the picture is coarser and has no hole;
//! - in a sequential file with a scan for each component, one within the last scan, since the
//!   decoder reads on behind some of these that are whole;
//! - bytes that are lost in the middle of a file.

/// What the headers of a file say, up to its end marker.
#[derive(Default)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    progressive: bool,
    components: Vec<u8>,
    /// Of these there are data, in so many scans.
    scanned: Vec<u8>,
    scans: usize,
    /// Where the data of the last scan end, and where the end marker is.
    data_end: usize,
    marker: usize,
}

impl Frame {
    /// None of a file that has no end marker or cannot be followed to it, which is for a decoder
    /// to judge.
    pub fn of(bytes: &[u8]) -> Option<Frame> {
        let mut frame = Frame::default();
        let mut at = 2;
        loop {
            let (marker, place) = next_marker(bytes, at)?;
            at = place + 2;
            // These stand alone.
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if marker == 0xd9 {
                frame.marker = place;
                return (frame.data_end > 0 && frame.width > 0).then_some(frame);
            }
            let length = number(bytes, at)?;
            let segment = bytes.get(at + 2..at + length)?;
            at += length;
            match marker {
                0xc4 | 0xc8 | 0xcc => {}
                0xc0..=0xcf => {
                    (frame.height, frame.width) = (number(segment, 1)?, number(segment, 3)?);
                    frame.progressive = marker & 3 == 2;
                    let listed = segment.get(6..)?.chunks_exact(3);
                    frame.components = listed.map(|c| c[0]).collect();
                }
                0xda => {
                    let count = usize::from(*segment.first()?);
                    let listed = segment.get(1..1 + 2 * count)?.chunks_exact(2);
                    frame.scanned.extend(listed.map(|c| c[0]));
                    frame.scans += 1;
                    at = end_of_data(bytes, at)?;
                    frame.data_end = at;
                }
                _ => {}
            }
        }
    }

    /// The file `bytes` with ones behind its last scan.
    ///
    /// # Errors
    /// What is missing: components of the picture without any data.
    pub fn with_ones(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let all = self.components.len();
        let lacking = self.components.iter();
        let lacking = lacking.filter(|c| !self.scanned.contains(c)).count();
        if lacking > 0 {
            return Err(format!(
                "there are no data of {lacking} of its {all} components"
            ));
        }
        // A started code may go on into the ones, and 16 bits may belong to it. A scan that refines
        // takes a bit for each coefficient besides; blocks fill up the edges.
        let blocks = |side: usize| (side + 31) / 8;
        let ones = match (self.progressive, self.scans) {
            (true, _) => 16 + 8 * blocks(self.width) * blocks(self.height),
            (false, 1) => 16,
            (false, _) => 0,
        };
        let mut whole = Vec::with_capacity(self.marker + 2 + 2 * ones);
        whole.extend(&bytes[..self.data_end]);
        (0..ones).for_each(|_| whole.extend([0xff, 0x00]));
        whole.extend(&bytes[self.data_end..self.marker + 2]);
        Ok(whole)
    }
}

/// Two bytes, the higher first.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let two: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(two)))
}

/// The next marker from a place on, and where it is. Bytes before it harm nothing.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
        match bytes.get(at + 1)? {
            0x00 => at += 2,
            0xff => at += 1,
            &marker => return Some((marker, at)),
        }
    }
}

/// Where the data of a scan end that begin at `from`: before the next marker that is not one of
/// restart, and before what fills up in front of it.
fn end_of_data(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let (marker, place) = next_marker(bytes, at)?;
        if !matches!(marker, 0xd0..=0xd7) {
            let fill = bytes[at..place].iter().rev().take_while(|&&b| b == 0xff);
            return Some(place - fill.count());
        }
        at = place + 2;
    }
}
