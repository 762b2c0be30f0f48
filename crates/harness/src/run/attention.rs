//! Where a network with spatial attention looks: how much of it falls on the landmarks of the
//! face, and a picture.

use super::contact_sheet::{GAP, paper, paste, picture};
use super::folder::RunFolder;
use crate::train::Images;
use frbench_base::{Error, Result, Size};
use frbench_data::align::template;
use frbench_data::image::Image;
use frbench_data::resize::{fitted, resize};
use frbench_engine::{Network, Value};
use frbench_job::result::{Picture, PictureKind, StageAttention};
use frbench_job::{Color, InputSpec};
use std::collections::BTreeSet;

const FILE: &str = "attention.jpg";
/// Taps of spatial attention, before the sigmoid, end in this.
const SPATIAL: &str = ".spatial";
/// Images that are looked at, and those of them that are drawn.
const MOST: usize = 256;
const DRAWN: usize = 6;
/// Radius of the disc around a landmark, as a part of the side: 10 of 112 pixels.
const RADIUS: f64 = 10.0 / 112.0;
/// Points per pixel and axis that say how much of a pixel lies in a disc.
const FINE: usize = 8;
const TILE: usize = 72;

/// What is found, and the picture, which is written into the folder of the job; nothing of a
/// network without spatial attention. It is shown the first image of each identity of the set,
/// so that networks of one set are shown the same; `labels` are those of all images.
///
/// # Errors
/// An image that cannot be decoded, or what the disk refuses.
pub fn look(
    network: &Network,
    images: &dyn Images,
    labels: &[u32],
    input: &InputSpec,
    folder: &RunFolder,
) -> Result<(Vec<StageAttention>, Option<Picture>)> {
    let taps: Vec<&str> = network.graph().taps().map(|(name, _)| name).collect();
    let last = last_of_stages(&taps);
    if last.is_empty() {
        return Ok((Vec::new(), None));
    }
    let mut seen = BTreeSet::new();
    let images_of = labels.iter().zip(0..);
    let first = images_of.filter(|(label, _)| seen.insert(**label));
    let first: Vec<u32> = first.map(|(_, image)| image).take(MOST).collect();
    let mut sums: Vec<(String, f64, f64, usize)> = Vec::new();
    let mut rows: Vec<Vec<Image>> = Vec::new();
    for some in first.chunks(32) {
        let Size { height, width } = input.size;
        let len = height * width * 3;
        let mut pixels = vec![0.0; some.len() * len];
        images.fill(some, &vec![false; some.len()], input, &mut pixels)?;
        let x = Value::new([some.len(), height, width, 3], pixels)?;
        let taps = network.infer(&x)?.taps;
        let drawn = DRAWN.saturating_sub(rows.len()).min(some.len());
        for seen in x.data().chunks_exact(len).take(drawn) {
            rows.push(vec![fitted(&as_seen(seen, input)?, TILE.into())]);
        }
        let from = rows.len() - drawn;
        for (k, name) in last.iter().enumerate() {
            let [n, h, w, _] = taps[name].shape();
            let near = coverage(h, w, input.size);
            let area = near.iter().sum::<f64>() / (h * w) as f64;
            if sums.len() <= k {
                sums.push((name.clone(), 0.0, area, 0));
            }
            for (i, map) in taps[name]
                .numbers()?
                .chunks_exact(h * w)
                .take(n)
                .enumerate()
            {
                let map: Vec<f64> = map.iter().map(|v| sigmoid(f64::from(*v))).collect();
                let on: f64 = map.iter().zip(&near).map(|(m, c)| m * c).sum();
                sums[k].1 += on / map.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                sums[k].3 += 1;
                if i < drawn {
                    let row = &mut rows[from + i];
                    let face = row[0].clone();
                    row.push(heat(&face, &map, [h, w])?);
                }
            }
        }
    }
    if rows.is_empty() {
        return Ok((Vec::new(), None));
    }
    let stages = sums
        .into_iter()
        .map(|(tap, sum, area, n)| StageAttention {
            tap,
            on_landmarks: sum / n.max(1) as f64,
            area,
        })
        .collect();
    let columns = rows[0].len();
    let step = TILE + GAP;
    let mut sheet = paper(columns * step + GAP, rows.len() * step + GAP)?;
    for (y, row) in rows.iter().enumerate() {
        for (x, tile) in row.iter().enumerate() {
            paste(&mut sheet, tile, GAP + x * step, GAP + y * step)?;
        }
    }
    let caption = format!(
        "{} faces as this network sees them, and the spatial attention of the last block of each \
         stage, from the first stage to the last: bright where it is high in its own map.",
        rows.len()
    );
    let picture = picture(PictureKind::Attention, &sheet, FILE, caption, folder)?;
    Ok((stages, Some(picture)))
}

/// Of each stage `layerS` the spatial tap of its last block, in the order of stages.
fn last_of_stages(names: &[&str]) -> Vec<String> {
    let mut last: Vec<(u32, u32, String)> = Vec::new();
    for name in names {
        let place = name
            .strip_suffix(SPATIAL)
            .and_then(|n| n.strip_prefix("layer"))
            .and_then(|n| n.split_once('.'))
            .and_then(|(s, b)| Some((s.parse().ok()?, b.parse().ok()?)));
        let Some((stage, block)) = place else {
            continue;
        };
        match last.iter_mut().find(|l| l.0 == stage) {
            Some(l) if l.1 < block => *l = (stage, block, name.to_string()),
            Some(_) => {}
            None => last.push((stage, block, name.to_string())),
        }
    }
    last.sort();
    last.into_iter().map(|l| l.2).collect()
}

/// How much of each pixel of an `h x w` map of an input of this size lies in the discs around the
/// five landmarks of an aligned face.
fn coverage(h: usize, w: usize, size: Size) -> Vec<f64> {
    let (most, sides) = (size.most() as f64, [size.width as f64, size.height as f64]);
    let landmarks = template(size);
    let stretch = sides.map(|side| side / most);
    let within = |x: f64, y: f64| {
        let near = |p: &[f64; 2]| {
            ((p[0] / sides[0] - x) * stretch[0]).powi(2)
                + ((p[1] / sides[1] - y) * stretch[1]).powi(2)
                <= RADIUS * RADIUS
        };
        landmarks.iter().any(near)
    };
    let at = |i: usize, of: usize| (i as f64 + 0.5) / (of * FINE) as f64;
    (0..h * w)
        .map(|i| {
            let points = (0..FINE * FINE).filter(|p| {
                let (y, x) = (i / w * FINE + p / FINE, i % w * FINE + p % FINE);
                within(at(x, w), at(y, h))
            });
            points.count() as f64 / (FINE * FINE) as f64
        })
        .collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// A network's input as an image.
fn as_seen(pixels: &[f32], input: &InputSpec) -> Result<Image> {
    let byte = |v: f32| ((f64::from(v) * input.std + input.mean) * 255.0).round() as u8;
    let bytes = pixels.as_chunks::<3>().0.iter().flat_map(|p| {
        let rgb = p.map(byte);
        match input.color {
            Color::Rgb => rgb,
            Color::Bgr => [rgb[2], rgb[1], rgb[0]],
        }
    });
    Image::new(input.size.width, input.size.height, bytes.collect())
}

/// Five colours from dark to bright, of even steps in lightness.
const HEAT: [[f64; 3]; 5] = [
    [0.0, 0.0, 4.0],
    [81.0, 18.0, 124.0],
    [183.0, 55.0, 121.0],
    [252.0, 137.0, 97.0],
    [252.0, 253.0, 191.0],
];

/// A map, stretched to its own range, over a grey face.
fn heat(face: &Image, map: &[f64], [h, w]: [usize; 2]) -> Result<Image> {
    let (low, high) = map
        .iter()
        .fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let span = (high - low).max(1e-9);
    let level = |v: f64| ((v - low) / span * 255.0).round() as u8;
    let grey = map.iter().flat_map(|v| [level(*v); 3]).collect();
    let large = resize(&Image::new(w, h, grey)?, TILE, TILE);
    if face.pixels.len() != large.pixels.len() {
        return Err(Error::Bug("a map over a face of another size".into()));
    }
    let mut out = Vec::with_capacity(face.pixels.len());
    let pixels = face.pixels.as_chunks::<3>().0.iter();
    for (p, m) in pixels.zip(large.pixels.as_chunks::<3>().0) {
        let grey = 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
        let at = f64::from(m[0]) / 255.0 * (HEAT.len() - 1) as f64;
        let (below, part) = (at as usize, at.fract());
        let above = (below + 1).min(HEAT.len() - 1);
        for (low, high) in HEAT[below].iter().zip(&HEAT[above]) {
            let colour = low * (1.0 - part) + high * part;
            out.push((0.35 * grey + 0.65 * colour).round() as u8);
        }
    }
    Image::new(TILE, TILE, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_of_each_stage_is_looked_at() {
        let names = [
            "layer1.0.spatial",
            "layer1.10.spatial",
            "layer1.2.spatial",
            "layer2.0.channel",
            "layer2.0.spatial",
            "stage2",
        ];
        assert_eq!(
            last_of_stages(&names),
            ["layer1.10.spatial", "layer2.0.spatial"]
        );
    }

    #[test]
    fn discs_take_the_same_area_on_any_grid() {
        // Five discs that do not overlap.
        let area = 5.0 * std::f64::consts::PI * RADIUS * RADIUS;
        for side in [2, 4, 7, 16, 56] {
            let share = coverage(side, side, 112.into()).iter().sum::<f64>() / (side * side) as f64;
            assert!((share - area).abs() < 0.02, "{side}: {share} and {area}");
        }
        // The corners of an aligned face hold none.
        let fine = coverage(16, 16, 112.into());
        assert_eq!((fine[0], fine[255]), (0.0, 0.0));
    }

    #[test]
    fn a_map_is_bright_where_it_is_high() {
        let face = Image::new(TILE, TILE, vec![128; 3 * TILE * TILE]).unwrap();
        let out = heat(&face, &[0.1, 0.9, 0.1, 0.1], [2, 2]).unwrap();
        let sum = |x: usize, y: usize| out.pixel(x, y).iter().map(|v| u32::from(*v)).sum::<u32>();
        assert!(sum(TILE - 1, 0) > 2 * sum(0, 0));
        assert!(heat(&face, &[0.5; 4], [2, 2]).is_ok(), "a flat map");
    }
}
