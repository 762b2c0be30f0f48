//! Five-point alignment to the field's 112 x 112 template.

use super::image::Image;
use frbench_base::Size;

/// Five landmarks `(x, y)` in pixels: left eye, right eye, nose tip, left and right corner of
/// the mouth, as seen in the image.
pub type Landmarks = [[f64; 2]; 5];

/// Of aligned crops.
pub const ALIGNED: Size = Size::square(112);

/// Where the landmarks lie in an aligned 112 x 112 crop (insightface; the 112 x 96 SphereFace
/// template with 8 added to x).
pub const TEMPLATE_112: Landmarks = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// The template for a crop of `size` pixels. One that is not square is the middle of the square with
/// its longer side: 112 x 96 is the template of SphereFace.
pub fn template(size: Size) -> Landmarks {
    let square = size.most();
    let [left, above] = [size.width, size.height].map(|side| (square - side) as f64 / 2.0);
    let scale = square as f64 / 112.0;
    TEMPLATE_112.map(|[x, y]| [x * scale - left, y * scale - above])
}

/// `(x, y) -> (a x - b y + tx, b x + a y + ty)`: rotation, uniform scale and shift.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    pub a: f64,
    pub b: f64,
    pub tx: f64,
    pub ty: f64,
}

impl Similarity {
    /// The least-squares similarity without reflection that maps `from` onto `to` (Umeyama
    /// 1991; in the plane its SVD has this closed form). None if all points of `from` coincide
    /// or a coordinate is not finite.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let mean = |p: &Landmarks, k: usize| p.iter().map(|q| q[k]).sum::<f64>() / 5.0;
        let (mx, my, mu, mv) = (mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (x, y, u, v) = (p[0] - mx, p[1] - my, q[0] - mu, q[1] - mv);
            dot += x * u + y * v;
            cross += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (dot / spread, cross / spread);
        let fit = Similarity {
            a,
            b,
            tx: mu - (a * mx - b * my),
            ty: mv - (b * mx + a * my),
        };
        let ok = fit.tx.is_finite() && fit.ty.is_finite() && a * a + b * b > 0.0;
        ok.then_some(fit)
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [
            self.a * x - self.b * y + self.tx,
            self.b * x + self.a * y + self.ty,
        ]
    }

    /// The map back.
    pub fn inverse(&self) -> Self {
        let n = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / n, -self.b / n);
        Similarity {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        }
    }
}

/// The aligned crop of `size` pixels: bilinear, black outside the image. Pixel centres
/// are at whole coordinates, as in OpenCV's `warpAffine`, whose weights are rounded to 1/32;
/// expect differences of a grey level or two from it. None if the points have no similarity.
pub fn warp_to_template(image: &Image, points: &Landmarks, size: Size) -> Option<Image> {
    let back = Similarity::fit(points, &template(size))?.inverse();
    Some(warp(image, &back, size))
}

/// Samples `image` at `back(x, y)` for each pixel of an image of `size` pixels.
pub fn warp(image: &Image, back: &Similarity, size: Size) -> Image {
    let mut out = Image::black(size.width, size.height);
    for y in 0..size.height {
        for x in 0..size.width {
            let [u, v] = back.apply([x as f64, y as f64]);
            let at = 3 * (y * size.width + x);
            out.pixels[at..at + 3].copy_from_slice(&sample(image, u, v));
        }
    }
    out
}

fn sample(image: &Image, x: f64, y: f64) -> [u8; 3] {
    let (w, h) = (image.width as f64, image.height as f64);
    // Written so that NaN is outside as well.
    if !(x > -1.0 && x < w && y > -1.0 && y < h) {
        return [0; 3];
    }
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let mut sum = [0.0; 3];
    for (dy, wy) in [(0.0, 1.0 - fy), (1.0, fy)] {
        for (dx, wx) in [(0.0, 1.0 - fx), (1.0, fx)] {
            let (px, py) = (x0 + dx, y0 + dy);
            if px >= 0.0 && px < w && py >= 0.0 && py < h {
                let at = 3 * (py as usize * image.width + px as usize);
                for (s, p) in sum.iter_mut().zip(&image.pixels[at..at + 3]) {
                    *s += wx * wy * f64::from(*p);
                }
            }
        }
    }
    sum.map(|s| (s + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: usize, height: usize) -> Image {
        let pixels = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [2 * x as u8, 2 * y as u8, (x + y) as u8]))
            .collect();
        Image::new(width, height, pixels).unwrap()
    }

    #[test]
    fn the_template_aligns_to_itself() {
        let image = gradient(112, 112);
        let same = warp_to_template(&image, &TEMPLATE_112, ALIGNED).unwrap();
        assert_eq!(same, image);
    }

    #[test]
    fn a_similarity_is_recovered_and_inverted() {
        let truth = Similarity {
            a: 0.7,
            b: -0.4,
            tx: 12.0,
            ty: -3.5,
        };
        let moved = TEMPLATE_112.map(|p| truth.apply(p));
        let fit = Similarity::fit(&TEMPLATE_112, &moved).unwrap();
        for (got, want) in [(fit.a, 0.7), (fit.b, -0.4), (fit.tx, 12.0), (fit.ty, -3.5)] {
            assert!((got - want).abs() < 1e-12, "{fit:?}");
        }
        let [x, y] = truth.inverse().apply(truth.apply([5.0, 9.0]));
        assert!((x - 5.0).abs() < 1e-12 && (y - 9.0).abs() < 1e-12);
    }

    #[test]
    fn a_shifted_face_comes_back_with_a_black_border() {
        let image = gradient(112, 112);
        let points = TEMPLATE_112.map(|[x, y]| [x + 3.0, y - 2.0]);
        let out = warp_to_template(&image, &points, ALIGNED).unwrap();
        assert_eq!(out.pixel(10, 10), image.pixel(13, 8));
        assert_eq!(out.pixel(111, 50), [0, 0, 0]);
        assert_eq!(out.pixel(50, 1), [0, 0, 0]);
    }

    #[test]
    fn coincident_points_have_no_similarity() {
        assert!(Similarity::fit(&[[4.0, 4.0]; 5], &TEMPLATE_112).is_none());
        assert!(Similarity::fit(&[[f64::NAN, 4.0]; 5], &TEMPLATE_112).is_none());
    }

    /// Umeyama by SVD in NumPy (scikit-image's `SimilarityTransform.estimate`), for points that
    /// no similarity maps exactly.
    #[test]
    fn an_inexact_fit_equals_the_svd_form() {
        let from = [
            [30.0, 50.0],
            [75.0, 48.0],
            [50.0, 80.0],
            [35.0, 95.0],
            [68.0, 99.0],
        ];
        let fit = Similarity::fit(&from, &TEMPLATE_112).unwrap();
        for (got, want) in [
            (fit.a, SVD[0]),
            (fit.b, SVD[1]),
            (fit.tx, SVD[2]),
            (fit.ty, SVD[3]),
        ] {
            assert!((got - want).abs() < 1e-9, "{fit:?}");
        }
    }

    const SVD: [f64; 4] = [
        0.8240703198446762,
        -0.020792565910484385,
        11.957164592274673,
        11.662844604537078,
    ];

    /// OpenCV 5.0 computes in floats as this does; older ones round weights to 1/32 of a pixel.
    #[test]
    fn crops_are_those_of_opencv() {
        let level = |i: usize| {
            let (y, x, c) = (i / 240, i / 3 % 80, i % 3);
            let n = (x * x * 3 + y * y * 5 + x * y * 2 + c * 40) / 16;
            let level = (n % 256) as u8;
            if n / 256 % 2 == 1 { 255 - level } else { level }
        };
        let image = Image::new(80, 90, (0..80 * 90 * 3).map(level).collect()).unwrap();
        let points = [
            [30.0, 40.0],
            [55.0, 37.0],
            [44.0, 55.0],
            [33.0, 66.0],
            [54.0, 64.0],
        ];
        let crop = warp_to_template(&image, &points, ALIGNED).unwrap();
        let of = |i: usize| crop.pixel(i % 7 * 16, i / 7 * 16)[0];
        let worst = (0..49).map(|i| of(i).abs_diff(OPENCV[i])).max();
        assert!(worst.unwrap() <= 1, "{worst:?}");
        let sum: i64 = crop.pixels.iter().map(|p| i64::from(*p)).sum();
        assert!((sum - 4771153).abs() < 40);
        // The template of SphereFace: the middle of the square.
        let narrow = warp_to_template(&image, &points, [112, 96].into()).unwrap();
        for (y, x) in [(0, 0), (50, 40), (111, 95)] {
            assert_eq!(narrow.pixel(x, y), crop.pixel(x + 8, y));
        }
    }

    const OPENCV: [u8; 49] = [
        11, 46, 124, 245, 102, 105, 155, 92, 139, 230, 147, 30, 244, 10, 246, 202, 98, 48, 239, 38,
        238, 28, 44, 161, 189, 17, 241, 38, 230, 143, 14, 159, 135, 124, 84, 157, 237, 112, 73,
        208, 64, 131, 108, 221, 134, 65, 204, 81, 101,
    ];
}
