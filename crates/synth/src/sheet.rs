//! A contact sheet: what the world looks like at a glance.

use super::condition::{Age, Pose, Profile};
use super::world::{CROP, World};
use frbench_data::image::Image;

/// Eight people (rows) under eight conditions (columns): frontal pictures, then turned ones,
/// then old age.
pub fn contact_sheet(world: &World) -> Image {
    const N: usize = 8;
    let mut sheet = Image::black(N * CROP, N * CROP);
    for row in 0..N {
        let id = world.identity(row as u64);
        for col in 0..N {
            let pose = match col {
                0..4 => Pose::Around {
                    spread: 12.0,
                    limit: 25.0,
                },
                4 => Pose::Side {
                    low: 25.0,
                    high: 40.0,
                },
                5 => Pose::Side {
                    low: 45.0,
                    high: 60.0,
                },
                6 => Pose::Side {
                    low: 75.0,
                    high: 90.0,
                },
                _ => Pose::Around {
                    spread: 10.0,
                    limit: 20.0,
                },
            };
            let age = if col == 7 {
                Age::Between(65.0, 78.0)
            } else {
                Age::Between(22.0, 45.0)
            };
            let nuisance = if col == 0 { 0.15 } else { 1.0 };
            let profile = Profile {
                pose,
                age,
                nuisance,
            };
            let c = world.condition(id.id, 1000 + col as u64, &profile);
            paste(
                &mut sheet,
                &world.render(&id, &c).image,
                col * CROP,
                row * CROP,
            );
        }
    }
    sheet
}

fn paste(sheet: &mut Image, tile: &Image, x: usize, y: usize) {
    for row in 0..tile.height {
        let from = 3 * row * tile.width;
        let to = 3 * ((y + row) * sheet.width + x);
        sheet.pixels[to..to + 3 * tile.width]
            .copy_from_slice(&tile.pixels[from..from + 3 * tile.width]);
    }
}
