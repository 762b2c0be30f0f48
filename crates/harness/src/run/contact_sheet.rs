//! A contact sheet of images whose labels a training corrected, and the list of all of them.

use super::folder::RunFolder;
use crate::train::Corrected;
use frbench_base::files;
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_data::decode::encode_jpeg;
use frbench_data::image::Image;
use frbench_data::resize::fitted;
use frbench_data::set::TrainSet;
use frbench_job::result::{FileHash, Picture, PictureKind};

/// Every label that was corrected in the last epoch: `image,label,corrected,truth`, the last
/// empty for people of no class.
pub const LIST: &str = "corrections.csv";
const FILE: &str = "corrections.jpg";

/// Examples in a picture, and next to each other.
const MOST: usize = 24;
const ACROSS: usize = 4;
/// Side of an image, and what is left free around it, in pixels.
const TILE: usize = 56;
pub(super) const GAP: usize = 4;
/// A bar under the corrected class says whether it is the true one.
const BAR: usize = 4;

const PAPER: [u8; 3] = [250, 250, 248];
const RIGHT: [u8; 3] = [0, 114, 178];
const WRONG: [u8; 3] = [213, 94, 0];

/// Writes the list and the picture of what was corrected in the last epoch into the folder of
/// the job; `truth` is the class of the person on each image. None where nothing was corrected.
///
/// # Errors
/// An image that cannot be decoded, or what the disk refuses.
pub fn corrections(
    set: &TrainSet,
    truth: &[Option<u32>],
    corrected: &[Corrected],
    folder: &RunFolder,
) -> Result<Option<Picture>> {
    if corrected.is_empty() {
        return Ok(None);
    }
    let mut all = corrected.to_vec();
    all.sort_unstable_by_key(|c| c.image);
    files::write_atomic(&folder.file(LIST), list(&all, truth).as_bytes())?;
    let shown = spread(&all);
    let image = draw(set, truth, &shown)?;
    let right = |c: &&Corrected| truth[c.image as usize] == Some(c.corrected);
    let caption = format!(
        "{} of {} images whose labels were corrected in the last epoch, in threes: the image, one \
         of the class of its label, one of the class it was given. The bar is blue where that is \
         the person's own class ({} of these), orange where it is not.",
        shown.len(),
        all.len(),
        shown.iter().filter(right).count()
    );
    picture(PictureKind::Corrections, &image, FILE, caption, folder).map(Some)
}

/// Writes a picture for the report into the folder of its job.
pub(super) fn picture(
    kind: PictureKind,
    image: &Image,
    file: &str,
    caption: String,
    folder: &RunFolder,
) -> Result<Picture> {
    let bytes = encode_jpeg(image, 88)?;
    files::write_atomic(&folder.file(file), &bytes)?;
    Ok(Picture {
        kind,
        caption,
        file: FileHash {
            path: file.to_string(),
            bytes: bytes.len() as u64,
            sha256: sha256_hex(&bytes),
        },
        size: (image.width as u32, image.height as u32),
    })
}

/// An empty sheet.
pub(super) fn paper(width: usize, height: usize) -> Result<Image> {
    Image::new(width, height, [PAPER].repeat(width * height).concat())
}

fn list(all: &[Corrected], truth: &[Option<u32>]) -> String {
    let mut out = "image,label,corrected,truth\n".to_string();
    for c in all {
        let truth = truth[c.image as usize].map_or(String::new(), |t| t.to_string());
        out += &format!("{},{},{},{truth}\n", c.image, c.label, c.corrected);
    }
    out
}

/// Some of all, evenly spread.
fn spread(all: &[Corrected]) -> Vec<Corrected> {
    let n = all.len().min(MOST);
    (0..n).map(|i| all[i * all.len() / n]).collect()
}

fn draw(set: &TrainSet, truth: &[Option<u32>], shown: &[Corrected]) -> Result<Image> {
    // An example of a class shows its own person, and is not the image in question.
    let example = |class: u32, other_than: u32| {
        let fits = |i: &usize| {
            set.data.labels[*i] == class && truth[*i] == Some(class) && *i != other_than as usize
        };
        (0..set.data.labels.len()).find(fits)
    };
    let (wide, high) = (3 * TILE + 3 * GAP, TILE + BAR + 2 * GAP);
    let across = ACROSS.min(shown.len());
    let mut picture = paper(
        across * wide + GAP,
        shown.len().div_ceil(across) * high + GAP,
    )?;
    for (k, c) in shown.iter().enumerate() {
        let (left, top) = (k % across * wide + GAP, k / across * high + GAP);
        let images = [
            Some(c.image as usize),
            example(c.label, c.image),
            example(c.corrected, c.image),
        ];
        for (j, image) in images.into_iter().enumerate() {
            if let Some(image) = image {
                let small = fitted(&set.source.image(image)?, TILE.into());
                paste(&mut picture, &small, left + j * (TILE + GAP / 2), top)?;
            }
        }
        let right = truth[c.image as usize] == Some(c.corrected);
        let bar = Image::new(
            TILE,
            BAR,
            [if right { RIGHT } else { WRONG }]
                .repeat(TILE * BAR)
                .concat(),
        )?;
        paste(&mut picture, &bar, left + 2 * (TILE + GAP / 2), top + TILE)?;
    }
    Ok(picture)
}

pub(super) fn paste(onto: &mut Image, image: &Image, left: usize, top: usize) -> Result<()> {
    if left + image.width > onto.width || top + image.height > onto.height {
        return Err(Error::Bug(
            "a picture is too small for what is on it".into(),
        ));
    }
    for (y, row) in image.pixels.chunks_exact(3 * image.width).enumerate() {
        let at = 3 * ((top + y) * onto.width + left);
        onto.pixels[at..at + row.len()].copy_from_slice(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(n: u32) -> Vec<Corrected> {
        let one = |image| Corrected {
            image,
            label: 0,
            corrected: 1,
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn examples_are_spread_over_all_that_was_corrected() {
        assert_eq!(spread(&some(3)).len(), 3);
        let shown = spread(&some(240));
        assert_eq!(shown.len(), MOST);
        assert!(shown.windows(2).all(|w| w[1].image - w[0].image == 10));
    }

    #[test]
    fn the_list_says_who_it_is() {
        let text = list(&some(2), &[Some(1), None]);
        assert_eq!(text, "image,label,corrected,truth\n0,0,1,1\n1,0,1,\n");
    }
}
