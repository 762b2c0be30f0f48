//! How images are cut into tiles of 4 x 4 outputs.

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
