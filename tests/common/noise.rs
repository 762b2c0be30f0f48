//! Images that show nothing.

use frbench::job::InputSpec;
use frbench::rng::Stream;
use frbench::train::Images;
use frbench::{Error, Result};

/// Noise of whatever size is asked for, another one for mirror images.
#[derive(Clone)]
pub struct Noise {
    pub images: usize,
    /// An image, a number in it, and by how much that is off.
    pub off: Option<(u32, usize, f32)>,
}

impl Noise {
    pub const fn of(images: usize) -> Self {
        Noise { images, off: None }
    }
}

impl Images for Noise {
    fn len(&self) -> usize {
        self.images
    }

    fn read(&self, _: &[u32], _: &mut [u8]) -> Result<()> {
        Err(Error::Bug("noise is no bytes".into()))
    }

    fn fill(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()> {
        let len = input.size.area() * 3;
        for ((&i, &flip), out) in indices.iter().zip(flips).zip(out.chunks_mut(len)) {
            let mut stream = Stream::derive(1, "image", &[u64::from(i), u64::from(flip)]);
            out.iter_mut().for_each(|v| *v = stream.normal() as f32);
            if let Some((_, at, by)) = self.off.filter(|off| off.0 == i) {
                out[at] += by;
            }
        }
        Ok(())
    }
}
