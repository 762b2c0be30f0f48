//! A tensor as a file holds it: a type, a shape, and where its numbers lie.

use half::{bf16, f16};
use std::ops::Range;

/// The types of numbers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    }

    /// `f32`, `bf16`, ...
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "f64",
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::I64 => "i64",
            Dtype::I32 => "i32",
            Dtype::I16 => "i16",
            Dtype::I8 => "i8",
            Dtype::U8 => "u8",
            Dtype::Bool => "bool",
        }
    }

    /// The number in these little-endian bytes, which are as many as it has.
    fn number(self, bytes: &[u8]) -> f64 {
        fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
            let mut all = [0; N];
            all.copy_from_slice(bytes);
            all
        }
        match self {
            Dtype::F64 => f64::from_le_bytes(of(bytes)),
            Dtype::F32 => f32::from_le_bytes(of(bytes)).into(),
            Dtype::F16 => f16::from_le_bytes(of(bytes)).into(),
            Dtype::Bf16 => bf16::from_le_bytes(of(bytes)).into(),
            Dtype::I64 => i64::from_le_bytes(of(bytes)) as f64,
            Dtype::I32 => i32::from_le_bytes(of(bytes)).into(),
            Dtype::I16 => i16::from_le_bytes(of(bytes)).into(),
            Dtype::I8 => i8::from_le_bytes(of(bytes)).into(),
            Dtype::U8 | Dtype::Bool => bytes[0].into(),
        }
    }
}

/// The most dimensions that a tensor may have.
pub const MOST_DIMENSIONS: usize = 16;

/// A tensor of a file. Its numbers lie within the file: [`Tensor::new`] sees to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Steps from one number to the next, by dimension, in numbers.
    strides: Vec<usize>,
    /// The bytes from its first number on.
    data: Range<usize>,
}

impl Tensor {
    /// A view of the numbers of type `dtype` in the bytes `storage` of a file, whose first is the
    /// one at `offset`.
    ///
    /// # Errors
    /// A shape of 2^48 numbers or more, or one that leaves its storage.
    pub fn new(
        dtype: Dtype,
        storage: Range<usize>,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
            return Err(format!(
                "{} sizes and {} strides; as many of both are wanted, {MOST_DIMENSIONS} at most",
                shape.len(),
                strides.len()
            ));
        }
        let huge = || format!("the shape {shape:?} has too many numbers");
        // As if a size of 0 were none, so that the others are bounded, too.
        let count = shape
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side.max(1)));
        count.filter(|n| *n < 1 << 48).ok_or_else(huge)?;
        let numbers = storage.len() / dtype.size();
        let empty = shape.contains(&0);
        let reach = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, (&side, &stride)| {
                at.checked_add(side.saturating_sub(1).checked_mul(stride)?)
            });
        let inside = match reach {
            Some(last) if !empty => last < numbers,
            Some(_) => offset <= numbers,
            None => false,
        };
        if !inside {
            return Err(format!(
                "a view of shape {shape:?} and strides {strides:?} from number {offset} on leaves \
                 its storage of {numbers} numbers"
            ));
        }
        Ok(Tensor {
            dtype,
            data: storage.start + offset * dtype.size()..storage.end,
            shape,
            strides,
        })
    }

    /// A tensor whose numbers fill `storage` in row-major order.
    ///
    /// # Errors
    /// As [`Tensor::new`], and a storage of another length.
    pub fn row_major(
        dtype: Dtype,
        storage: Range<usize>,
        shape: Vec<usize>,
    ) -> Result<Self, String> {
        let huge = || format!("the shape {shape:?} has too many numbers");
        let strides = row_major(&shape).ok_or_else(huge)?;
        let count = shape
            .iter()
            .try_fold(1usize, |n, side| n.checked_mul(*side));
        let bytes = count
            .and_then(|n| n.checked_mul(dtype.size()))
            .ok_or_else(huge)?;
        if bytes != storage.len() {
            return Err(format!(
                "{} bytes for a shape {shape:?} of {} numbers of {} bytes",
                storage.len(),
                bytes / dtype.size(),
                dtype.size()
            ));
        }
        Tensor::new(dtype, storage, 0, shape, strides)
    }

    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers it has.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that its numbers take, row-major, in its own type.
    pub fn bytes(&self) -> usize {
        self.count() * self.dtype.size()
    }

    /// The tensor at `i` along the first dimension; none beyond the end, or of a single number.
    pub fn row(&self, i: usize) -> Option<Tensor> {
        let (&rows, shape) = self.shape.split_first()?;
        let (&stride, strides) = self.strides.split_first()?;
        let start = self.data.start + i.checked_mul(stride)?.checked_mul(self.dtype.size())?;
        (i < rows).then(|| Tensor {
            dtype: self.dtype,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            data: start.min(self.data.end)..self.data.end,
        })
    }

    /// Whether its numbers follow each other.
    fn is_row_major(&self) -> bool {
        row_major(&self.shape).is_some_and(|strides| {
            let sides = self.shape.iter().zip(self.strides.iter().zip(&strides));
            sides.into_iter().all(|(side, (a, b))| *side <= 1 || a == b)
        })
    }

    /// Its numbers in row-major order. `file` is the file that the tensor is of.
    pub fn numbers<'a>(&'a self, file: &'a [u8]) -> impl Iterator<Item = f64> + 'a {
        let size = self.dtype.size();
        let data = &file[self.data.clone()];
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        (0..self.count()).map(move |_| {
            let number = self.dtype.number(&data[at * size..(at + 1) * size]);
            // The next index, as an odometer counts.
            for (dimension, i) in index.iter_mut().enumerate().rev() {
                *i += 1;
                at += self.strides[dimension];
                if *i < self.shape[dimension] {
                    break;
                }
                at -= *i * self.strides[dimension];
                *i = 0;
            }
            number
        })
    }

    /// The bytes of its numbers, where they lie in row-major order as f32.
    pub fn in_place<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let plain = self.dtype == Dtype::F32 && self.is_row_major();
        plain.then(|| &file[self.data.clone()][..self.bytes()])
    }

    /// The same as f32.
    pub fn values(&self, file: &[u8]) -> Vec<f32> {
        if self.is_row_major() {
            let data = &file[self.data.clone()][..self.bytes()];
            let numbers = data.chunks_exact(self.dtype.size());
            return match self.dtype {
                Dtype::F32 => numbers
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect(),
                dtype => numbers.map(|b| dtype.number(b) as f32).collect(),
            };
        }
        self.numbers(file).map(|n| n as f32).collect()
    }
}

/// The strides of a shape in row-major order.
pub fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].checked_mul(shape[i].max(1))?;
    }
    Some(strides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_read_in_row_major_order() {
        let file: Vec<u8> = (0..6u8).collect();
        let view = |offset, shape: &[usize], strides: &[usize]| {
            let (shape, strides) = (shape.to_vec(), strides.to_vec());
            let tensor = Tensor::new(Dtype::U8, 0..6, offset, shape, strides).unwrap();
            tensor.values(&file)
        };
        assert_eq!(view(0, &[2, 3], &[3, 1]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(view(0, &[3, 2], &[1, 3]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(view(4, &[2, 2], &[0, 1]), [4.0, 5.0, 4.0, 5.0]);
        assert_eq!(view(5, &[], &[]), [5.0]);
        assert!(view(6, &[2, 0], &[7, 9]).is_empty());
    }

    #[test]
    fn no_view_leaves_its_storage() {
        let wrong = |offset, shape: &[usize], strides: &[usize]| {
            let (shape, strides) = (shape.to_vec(), strides.to_vec());
            Tensor::new(Dtype::F32, 0..24, offset, shape, strides).unwrap_err()
        };
        assert!(wrong(0, &[7], &[1]).contains("leaves its storage of 6"));
        assert!(wrong(5, &[2], &[1]).contains("leaves"));
        assert!(wrong(7, &[0], &[1]).contains("leaves"));
        assert!(wrong(0, &[2], &[usize::MAX]).contains("leaves"));
        assert!(wrong(usize::MAX, &[2], &[1]).contains("leaves"));
        assert!(wrong(0, &[1 << 31, 1 << 31], &[0, 0]).contains("too many"));
        assert!(wrong(0, &[usize::MAX, usize::MAX, 0], &[0, 0, 0]).contains("too many"));
        assert!(wrong(0, &[1; 17], &[0; 17]).contains("16 at most"));
        assert!(wrong(0, &[1], &[]).contains("as many of both"));
    }

    #[test]
    fn every_type_is_read() {
        for (dtype, bytes, want) in [
            (Dtype::F64, 1.5f64.to_le_bytes().to_vec(), 1.5),
            (Dtype::F32, (-0.25f32).to_le_bytes().to_vec(), -0.25),
            (Dtype::F16, vec![0x00, 0x3c], 1.0),
            (Dtype::Bf16, vec![0x80, 0x3f], 1.0),
            (Dtype::I64, (-7i64).to_le_bytes().to_vec(), -7.0),
            (Dtype::I32, (-7i32).to_le_bytes().to_vec(), -7.0),
            (Dtype::I16, (-7i16).to_le_bytes().to_vec(), -7.0),
            (Dtype::I8, vec![0xf9], -7.0),
            (Dtype::U8, vec![0xf9], 249.0),
            (Dtype::Bool, vec![1], 1.0),
        ] {
            let tensor = Tensor::row_major(dtype, 0..bytes.len(), Vec::new()).unwrap();
            assert_eq!(tensor.values(&bytes), [want], "{dtype:?}");
        }
    }
}
