//! What a step is made of: images as one view, and the teacher's view of the same images.

use frbench_base::Result;
use frbench_data::cache::PixelCache;
use frbench_job::InputSpec;

/// Random access to the images of a training set as network input.
pub trait Images: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them as decoded pixels, if that is how they are kept.
    fn pixels(&self) -> Option<&PixelCache> {
        None
    }

    /// Writes decoded images, `[indices.len(), height, width, 3]` in RGB, neither mirrored nor
    /// normalised.
    ///
    /// # Errors
    /// An image that cannot be decoded; [`frbench_base::Error::Bug`] if the sizes do not fit each other
    /// or there is no such image.
    fn read(&self, indices: &[u32], out: &mut [u8]) -> Result<()>;

    /// Write `indices.len()` images as NHWC into `out`, mirrored where `flips` says so.
    fn fill(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()>;
}

/// The frozen teacher's raw embeddings of the training set and of its mirror images.
///
/// The only augmentation is the flip that teacher and student share, so both embeddings of
/// every image can be computed once, for all methods and seeds, and are bit for bit those
/// that the teacher would compute in the step.
pub trait TeacherRows: Sync {
    fn dim(&self) -> usize;

    /// The embedding of image `index`, or of its mirror.
    fn row(&self, index: u32, flipped: bool) -> &[f32];
}

/// The samples of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub step: u64,
    /// 1-based.
    pub epoch: u64,
    pub samples: Vec<u32>,
    pub flips: Vec<bool>,
}
