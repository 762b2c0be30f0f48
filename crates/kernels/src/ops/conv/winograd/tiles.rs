//! How images are cut into tiles of 4 x 4 outputs, and what all transforms of tiles share.
//!
//! Transformed tiles lie as `[36][tiles][channels]`; the distance between positions is `step`
//! floats.

use super::super::super::simd::{Simd, each_vector};
use super::POSITIONS;
use crate::team::OneByOne;
use rayon::prelude::*;
use std::ops::Range;

/// The tiles of a batch of images.
#[derive(Clone, Copy)]
pub struct Tiles {
    pub h: usize,
    pub w: usize,
    /// Tiles per column and per row.
    pub down: usize,
    pub across: usize,
}

impl Tiles {
    pub fn per_image(&self) -> usize {
        self.down * self.across
    }

    /// The floats of images of `c` channels, from the first to the last, that tiles take.
    pub fn reach(&self, tiles: Range<usize>, c: usize) -> Range<usize> {
        if tiles.is_empty() {
            return 0..0;
        }
        let ([first, top, _], [last, below, _]) =
            (self.place(tiles.start), self.place(tiles.end - 1));
        let (below, line) = ((below + 5).min(self.h), self.w * c);
        (first * self.h + top) * line..(last * self.h + below) * line
    }

    /// Image, and top left output pixel, of a tile.
    #[inline(always)]
    pub fn place(&self, tile: usize) -> [usize; 3] {
        let in_image = tile % self.per_image();
        [
            tile / self.per_image(),
            in_image / self.across * 4,
            in_image % self.across * 4,
        ]
    }
}

/// A pointer that tasks share; each writes to places of its own.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);

// SAFETY: only an address; whoever writes argues why it is alone there.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

/// What is cut into tiles and transformed to `[36][tiles][channels]`.
pub trait Transform: Sync {
    fn channels(&self) -> usize;

    /// # Safety
    /// There must be room for the tiles of `range` at `out` and every `step` floats behind it,
    /// and nobody else may write there.
    unsafe fn transform_to(&self, range: Range<usize>, out: *mut f32, step: usize);

    /// Transforms the tiles of `range` to the start of each position of `out`.
    fn transform(&self, range: Range<usize>, out: &mut [f32], step: usize) {
        let floats = range.len() * self.channels();
        assert!(out.len() >= (POSITIONS - 1) * step + floats && floats <= step);
        // SAFETY: `out` holds these tiles, and this call has it for itself.
        unsafe { self.transform_to(range, out.as_mut_ptr(), step) };
    }

    /// Groups of tiles in parallel, `at` floats apart in each position.
    fn transform_groups(
        &self,
        groups: usize,
        group: impl Fn(usize) -> Range<usize> + Sync,
        out: &mut [f32],
        [step, at]: [usize; 2],
    ) {
        let (len, out) = (out.len(), Shared(out.as_mut_ptr()));
        (0..groups).into_par_iter().one_by_one().for_each(|g| {
            let range = group(g);
            let floats = range.len() * self.channels();
            assert!(floats <= at && (g + 1) * at <= step.next_multiple_of(at));
            assert!((POSITIONS - 1) * step + g * at + floats <= len);
            // SAFETY: within `out`, and no other group writes between `g * at` and the next.
            unsafe { self.transform_to(range, out.at(g * at), step) };
        });
    }
}

/// Where a tile is: its place in the range, the first float of its image, its first pixel.
#[derive(Clone, Copy)]
pub struct Place {
    pub index: usize,
    pub image: usize,
    pub y: usize,
    pub x: usize,
}

/// A kernel that takes tiles one by one, and of each one vector of channels at a time.
pub trait EachTile {
    /// The tiles, those of them to be taken, and their channels.
    fn tiles(&self) -> (Tiles, Range<usize>, usize);

    /// `n` channels of one tile from `at` on; a whole vector unless `PART`.
    ///
    /// # Safety
    /// As [`Simd`]; the kernel's own promises hold for this tile and these channels.
    unsafe fn one<S: Simd, const PART: bool>(&self, place: Place, at: usize, n: usize);

    /// # Safety
    /// As [`EachTile::one`], for all tiles.
    #[inline(always)]
    unsafe fn each<S: Simd>(&self) {
        let (tiles, range, c) = self.tiles();
        for (index, tile) in range.enumerate() {
            let [image, y, x] = tiles.place(tile);
            let image = image * tiles.h * tiles.w * c;
            let place = Place { index, image, y, x };
            // SAFETY: a tile of the range; `n` channels from `at` on exist.
            unsafe {
                each_vector!(
                    S,
                    c,
                    |at, n| self.one::<S, false>(place, at, n),
                    self.one::<S, true>(place, at, n)
                );
            }
        }
    }
}
