//! Image files to pixels and back.
//!
//! Decoders differ by a grey level or two, so a data set's identity names its decoder
//! ([`DECODER`]). zune-jpeg computes in integers; its vector and its plain paths give equal
//! pixels (compared over samplings, qualities, progressive files and noise), and a test pins
//! the pixels of fixtures.

use super::budget::{DECODING, DECODING_BYTES, Taken};
use super::image::Image;
use super::jpeg_end::Frame;
use frbench_base::{Error, Result};
use image::ImageEncoder;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use std::borrow::Cow;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What turns files into pixels; part of every pixel hash.
pub const DECODER: &str = "zune-jpeg 0.5.15, png 0.18.1";

/// Largest side of an image; a header cannot make us allocate more than its square.
pub const MAX_SIDE: usize = 16_384;

/// Most pixels of an image.
pub const MAX_PIXELS: usize = 100_000_000;

/// The kind of an image file, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
}

/// Tells JPEG from PNG.
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(Kind::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Kind::Png)
    } else {
        None
    }
}

fn bad(what: impl std::fmt::Display) -> Error {
    Error::Data(format!("not a readable image: {what}"))
}

fn check_size(width: usize, height: usize) -> Result<()> {
    let fits = width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
    if fits && width > 0 && height > 0 {
        return Ok(());
    }
    Err(bad(format!(
        "{width} x {height} pixels, want sides of 1 to {MAX_SIDE} and at most {MAX_PIXELS} pixels"
    )))
}

/// Decodes a JPEG or PNG file to 8-bit RGB. Grey images get three equal channels, alpha is
/// dropped.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    match sniff(bytes) {
        Some(Kind::Jpeg) => decode_jpeg(bytes),
        Some(Kind::Png) => decode_png(bytes),
        None => {
            let start = frbench_base::key::hex(&bytes[..bytes.len().min(8)]);
            Err(bad(format!(
                "starts with bytes `{start}`, want JPEG (ffd8ff) or PNG (89504e47)"
            )))
        }
    }
}

/// A decoder that has read the headers. Data that end or break inside the picture are errors to
/// it, where others fill the rest with grey. Bytes between two headers harm no pixel, and files of
/// old cameras have them: headers are read without that strictness.
fn jpeg_decoder(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    match decoder.decode_headers() {
        Ok(()) => {
            decoder.set_options(options.set_strict_mode(true));
            Ok(decoder)
        }
        Err(e) => Err(bad(format!("JPEG: {e}"))),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Image> {
    let cut_off = |what: &dyn std::fmt::Display| bad(format!("JPEG: damaged or cut off: {what}"));
    let whole = match Frame::of(bytes) {
        None => Cow::Borrowed(bytes),
        Some(frame) => {
            check_size(frame.width, frame.height)?;
            Cow::Owned(frame.with_ones(bytes).map_err(|what| cut_off(&what))?)
        }
    };
    let mut decoder = jpeg_decoder(&whole)?;
    let info = decoder.info().ok_or_else(|| bad("JPEG without a header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    // The coefficients of a progressive file are kept until its last scan, two bytes each; of
    // others a few rows of blocks.
    let samples = (width * height) as u64 * u64::from(info.components);
    let progressive = info.sof.is_progressive();
    let coefficients = if progressive {
        2 * samples
    } else {
        samples / 8
    };
    let _scratch = working(coefficients + whole.len() as u64)?;
    let pixels = decoder.decode().map_err(|e| {
        // Without the ones it may be decoded, with a hole at its end.
        match jpeg_decoder(bytes).is_ok_and(|mut d| d.decode().is_ok()) {
            true => cut_off(&"its data end before the picture does"),
            false => cut_off(&e),
        }
    })?;
    match decoder.output_colorspace() {
        Some(ColorSpace::RGB) => Image::new(width, height, pixels),
        Some(ColorSpace::Luma) => {
            let rgb = pixels.iter().flat_map(|&v| [v; 3]).collect();
            Image::new(width, height, rgb)
        }
        other => Err(bad(format!("JPEG in colour space {other:?}"))),
    }
}

/// Waits until a decoder may work in so many bytes.
fn working(bytes: u64) -> Result<Taken<'static>> {
    match bytes <= DECODING_BYTES {
        true => Ok(DECODING.take(bytes)),
        false => Err(bad(format!(
            "decoding it takes {} MiB, at most {} are given to all pictures",
            bytes >> 20,
            DECODING_BYTES >> 20
        ))),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Image> {
    // `IHDR`: width and height; then bits of a sample and the kind of colour.
    let number = |at: usize| {
        let bytes: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, |b| u32::from_be_bytes(b) as usize)
    };
    let (width, height) = (number(16), number(20));
    check_size(width, height)?;
    let wide = bytes.get(24) == Some(&16);
    let samples = match bytes.get(25) {
        Some(0) => 1,
        Some(4) => 2,
        Some(6) => 4,
        _ => 3,
    };
    // What is not 8-bit RGB is decoded as it is first.
    let pixels = (width * height) as u64;
    let native = pixels * samples * if wide { 2 } else { 1 };
    let plain = samples == 3 && !wide;
    let _scratch = working(if plain { pixels / 8 } else { native })?;
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(bytes), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(8 * MAX_PIXELS as u64 + (1 << 20));
    reader.limits(limits);
    let rgb = reader
        .decode()
        .map_err(|e| bad(format!("PNG: {e}")))?
        .into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    check_size(width, height)?;
    Image::new(width, height, rgb.into_raw())
}

/// The EXIF orientation of a JPEG file, 1 to 8, if it states one. 1 is upright.
pub fn orientation(bytes: &[u8]) -> Option<u8> {
    if sniff(bytes) != Some(Kind::Jpeg) {
        return None;
    }
    let decoder = jpeg_decoder(bytes).ok()?;
    let exif = decoder.exif()?;
    image::metadata::Orientation::from_exif_chunk(exif).map(|o| o.to_exif())
}

/// Baseline JPEG, 4:4:4 (no chroma subsampling); `quality` in 1..=100.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode(
        JpegEncoder::new_with_quality(&mut out, quality.clamp(1, 100)),
        image,
    )?;
    Ok(out)
}

/// Lossless 8-bit RGB PNG.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode(PngEncoder::new(&mut out), image)?;
    Ok(out)
}

fn encode(encoder: impl ImageEncoder, image: &Image) -> Result<()> {
    let (width, height) = (image.width as u32, image.height as u32);
    encoder
        .write_image(&image.pixels, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|e| Error::Compute(format!("cannot encode a {width} x {height} image: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Image {
        let pixels = (0..3 * 24 * 17).map(|i| (i * 37 % 251) as u8).collect();
        Image::new(24, 17, pixels).unwrap()
    }

    #[test]
    fn png_is_lossless_and_jpeg_is_close() {
        let image = picture();
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap(), image);
        let flat = Image::new(16, 16, [200, 90, 30].repeat(256)).unwrap();
        let back = decode(&encode_jpeg(&flat, 95).unwrap()).unwrap();
        let worst = back
            .pixels
            .iter()
            .zip(&flat.pixels)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst.unwrap() <= 2, "{worst:?}");
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        let message = decode(b"GIF89a").unwrap_err().to_string();
        assert!(message.contains("474946"), "{message}");
        assert!(decode(b"").is_err());
        let jpeg = encode_jpeg(&picture(), 90).unwrap();
        assert!(decode(&jpeg[..20]).is_err());
        let png = encode_png(&picture()).unwrap();
        assert!(decode(&png[..png.len() / 2]).is_err());
    }

    #[test]
    fn bytes_between_two_headers_harm_nothing() {
        let jpeg = encode_jpeg(&picture(), 90).unwrap();
        // Behind the first segment, whose length stands behind its marker.
        let at = 4 + usize::from(u16::from_be_bytes([jpeg[4], jpeg[5]]));
        let odd = [&jpeg[..at], &[0; 6], &jpeg[at..]].concat();
        assert_eq!(decode(&odd).unwrap(), decode(&jpeg).unwrap());
    }

    /// Wherever a picture is cut.
    #[test]
    fn half_a_picture_is_none() {
        let noise = |side: usize| {
            let mut state = 7u32;
            let pixels = (0..3 * side * side).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            });
            Image::new(side, side, pixels.collect()).unwrap()
        };
        let jpeg = encode_jpeg(&noise(48), 90).unwrap();
        let png = encode_png(&noise(48)).unwrap();
        for part in [10, 30, 50, 60, 80, 95] {
            assert!(
                decode(&jpeg[..jpeg.len() * part / 100]).is_err(),
                "{part} %"
            );
            assert!(decode(&png[..png.len() * part / 100]).is_err(), "{part} %");
        }
    }
}
