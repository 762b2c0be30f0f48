//! Image files to pixels and back.
//!
//! Decoders differ by a grey level or two, so a data set's identity names its decoder
//! ([`DECODER`]). zune-jpeg computes in integers; its vector and its plain paths give equal
//! pixels (compared over samplings, qualities, progressive files and noise), and a test pins
//! the pixels of fixtures.

use super::image::Image;
use frbench_base::{Error, Result};
use image::ImageEncoder;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What turns files into pixels; part of every pixel hash.
pub const DECODER: &str = "zune-jpeg 0.5.15, png 0.18.1";

/// Largest side of an image; a header cannot make us allocate more than its square.
pub const MAX_SIDE: usize = 16_384;

/// Most pixels of an image.
pub const MAX_PIXELS: usize = 1 << 26;

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

fn decode_jpeg(bytes: &[u8]) -> Result<Image> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|e| bad(format!("JPEG: {e}")))?;
    let info = decoder.info().ok_or_else(|| bad("JPEG without a header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    let pixels = decoder.decode().map_err(|e| bad(format!("JPEG: {e}")))?;
    match decoder.output_colorspace() {
        Some(ColorSpace::RGB) => Image::new(width, height, pixels),
        Some(ColorSpace::Luma) => {
            let rgb = pixels.iter().flat_map(|&v| [v; 3]).collect();
            Image::new(width, height, rgb)
        }
        other => Err(bad(format!("JPEG in colour space {other:?}"))),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Image> {
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(bytes), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(8 * MAX_PIXELS as u64);
    reader.limits(limits);
    let rgb = reader
        .decode()
        .map_err(|e| bad(format!("PNG: {e}")))?
        .into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    check_size(width, height)?;
    Image::new(width, height, rgb.into_raw())
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
}
