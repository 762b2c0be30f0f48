//! Decoded images of this process, shared by its jobs.

use crate::train::Images;
use frbench_base::key::Key;
use frbench_base::{Result, Size};
use frbench_data::cache::{self, PixelCache};
use frbench_data::source::{ImageSource, Selected, Watched};
use frbench_data::watch::{UNWATCHED, Watch};
use frbench_job::InputSpec;
use std::sync::{Arc, Mutex};

/// Sets whose pixels take more than this are decoded as they are used.
const KEEP_BYTES: usize = 3 << 30;

/// Data job, part of the set, size in pixels.
type Id = (Key, String, Size);

/// Recently used decoded sets, newest last, 3 GiB in all.
#[derive(Default)]
pub struct ImageCache(Mutex<Vec<(Id, Arc<PixelCache>)>>);

impl ImageCache {
    /// The images of `source`, which is `part` of data job `data`, at `size` pixels.
    ///
    /// # Errors
    /// An image that cannot be decoded.
    pub fn view(
        &self,
        data: &Key,
        part: &str,
        source: &Arc<dyn ImageSource>,
        size: Size,
    ) -> Result<Arc<dyn Images>> {
        self.view_watched(data, part, source, size, UNWATCHED)
    }

    /// The same, until `watch` returns an error.
    pub fn view_watched(
        &self,
        data: &Key,
        part: &str,
        source: &Arc<dyn ImageSource>,
        size: Size,
        watch: Watch,
    ) -> Result<Arc<dyn Images>> {
        let bytes = |n: usize| n * size.area() * 3;
        if bytes(source.len()) > KEEP_BYTES {
            return Ok(Arc::new(Streamed {
                source: source.clone(),
                size,
            }));
        }
        let id = (data.clone(), part.to_string(), size);
        let mut kept = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let pixels = match kept.iter().position(|(k, _)| *k == id) {
            Some(i) => kept.remove(i).1,
            None => {
                let source = source.as_ref();
                Arc::new(PixelCache::build(&Watched { source, watch }, size)?)
            }
        };
        kept.push((id, pixels.clone()));
        let size_of = |p: &PixelCache| p.len() * p.size().area() * 3;
        while kept.iter().map(|(_, p)| size_of(p)).sum::<usize>() > KEEP_BYTES {
            kept.remove(0);
        }
        Ok(Arc::new(Cached(pixels)))
    }
}

struct Cached(Arc<PixelCache>);

impl Images for Cached {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn pixels(&self) -> Option<&PixelCache> {
        Some(&self.0)
    }

    fn read(&self, indices: &[u32], out: &mut [u8]) -> Result<()> {
        self.0.read(indices, out)
    }

    fn fill(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()> {
        self.0.fill_batch(indices, flips, input, out)
    }
}

/// Decodes what is asked for, every time: for sets that do not fit in memory.
struct Streamed {
    source: Arc<dyn ImageSource>,
    size: Size,
}

impl Images for Streamed {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, indices: &[u32], out: &mut [u8]) -> Result<()> {
        cache::fill(&self.some(indices), self.size, out)
    }

    fn fill(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()> {
        let all: Vec<u32> = (0..indices.len() as u32).collect();
        PixelCache::build(&self.some(indices), self.size)?.fill_batch(&all, flips, input, out)
    }
}

impl Streamed {
    fn some<'a>(&'a self, indices: &'a [u32]) -> impl ImageSource + 'a {
        Selected {
            source: self.source.as_ref(),
            indices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_data::image::Image;
    use frbench_job::Color;
    use std::borrow::Cow;

    struct Flat;

    impl ImageSource for Flat {
        fn len(&self) -> usize {
            5
        }
        fn bytes(&self, _: usize) -> Result<Cow<'_, [u8]>> {
            Ok(Cow::Borrowed(&[]))
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn describe(&self, i: usize) -> String {
            format!("flat {i}")
        }
        fn decoded(&self, i: usize, _: &[u8]) -> Result<Image> {
            Image::new(4, 4, (0..48).map(|p| (i * 40 + p) as u8).collect())
        }
    }

    #[test]
    fn streamed_and_cached_images_are_the_same() {
        let source: Arc<dyn ImageSource> = Arc::new(Flat);
        let input = InputSpec {
            size: 2.into(),
            color: Color::Rgb,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        };
        let fill = |images: &dyn Images| {
            let mut out = vec![0.0; 3 * 12];
            images
                .fill(&[4, 0, 2], &[true, false, true], &input, &mut out)
                .unwrap();
            out
        };
        let cached = ImageCache::default()
            .view(&Key("k".into()), "images", &source, 2.into())
            .unwrap();
        let streamed = Streamed {
            source,
            size: 2.into(),
        };
        assert_eq!(fill(cached.as_ref()), fill(&streamed));
        let read = |images: &dyn Images| {
            let mut out = vec![0; 3 * 12];
            images.read(&[4, 0, 2], &mut out).unwrap();
            assert!(images.read(&[4, 0], &mut out).is_err());
            out
        };
        assert_eq!(read(cached.as_ref()), read(&streamed));
        assert_eq!(
            read(&streamed)[12..24],
            cached.pixels().unwrap().image(0)[..]
        );
    }
}
