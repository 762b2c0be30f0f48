//! Feature files of MegaFace's development kit: four little-endian i32 (rows, columns, bytes of a row,
//! OpenCV's type), and the rows.

/// OpenCV's types of the numbers that are known.
const F32: i32 = 5;
const F64: i32 = 6;

/// The file of one embedding: a column of f32, as insightface writes it.
pub fn encode(embedding: &[f32]) -> Vec<u8> {
    let header = [embedding.len() as i32, 1, 4, F32];
    let header = header.into_iter().flat_map(i32::to_le_bytes);
    let numbers = embedding.iter().flat_map(|v| v.to_le_bytes());
    header.chain(numbers).collect()
}

/// The header of a feature file of MegaFace: rows, columns, bytes of a row, OpenCV's type.
pub(super) struct Feature {
    rows: usize,
    columns: usize,
    stride: usize,
    wide: bool,
}

impl Feature {
    /// The header that a file of `len` bytes begins with, if it is one.
    pub fn of(start: &[u8; 16], len: u64) -> Option<Feature> {
        let number = |i: usize| {
            let bytes = start[4 * i..4 * i + 4].try_into().ok()?;
            usize::try_from(i32::from_le_bytes(bytes))
                .ok()
                .filter(|n| *n > 0)
        };
        let (rows, columns, stride) = (number(0)?, number(1)?, number(2)?);
        let wide = match number(3)? as i32 {
            F32 => false,
            F64 => true,
            _ => return None,
        };
        let whole = stride >= columns.checked_mul(if wide { 8 } else { 4 })?
            && len == 16 + rows.checked_mul(stride)? as u64;
        whole.then_some(Feature {
            rows,
            columns,
            stride,
            wide,
        })
    }

    /// Rows and columns of embeddings: a column of numbers is one embedding.
    pub fn shape(&self) -> (usize, usize) {
        match self.columns {
            1 => (1, self.rows),
            columns => (self.rows, columns),
        }
    }

    pub fn numbers(&self, bytes: &[u8]) -> Vec<f32> {
        let size = if self.wide { 8 } else { 4 };
        let number = |b: &[u8]| match b.try_into() {
            Ok(wide) => f64::from_le_bytes(wide) as f32,
            Err(_) => f32::from_le_bytes(b.try_into().unwrap_or_default()),
        };
        let rows = bytes.chunks_exact(self.stride);
        let rows = rows.flat_map(|row| row[..self.columns * size].chunks_exact(size));
        rows.map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let row = [0.5, -1.0, 3.0];
        let bytes = encode(&row);
        // The header that insightface packs as `4i`.
        let header: Vec<u8> = [3, 1, 4, 5]
            .into_iter()
            .flat_map(i32::to_le_bytes)
            .collect();
        assert_eq!(bytes[..16], header);
        let read = Feature::of(bytes.first_chunk().unwrap(), bytes.len() as u64).unwrap();
        assert_eq!(read.shape(), (1, 3));
        assert_eq!(read.numbers(&bytes[16..]), row);
    }
}
