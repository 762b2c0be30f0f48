//! The sides of images, maps and kernels.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Height and width in pixels. As text, `112 x 96` (height first); as data, a number for a square
/// and `[height, width]` else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    pub height: usize,
    pub width: usize,
}

impl Size {
    pub const fn square(side: usize) -> Size {
        Size {
            height: side,
            width: side,
        }
    }

    /// Pixels.
    pub const fn area(self) -> usize {
        self.height * self.width
    }

    pub const fn is_square(self) -> bool {
        self.height == self.width
    }

    /// `112` for a square, `112x96` else.
    pub fn in_short(self) -> String {
        match self.is_square() {
            true => self.height.to_string(),
            false => format!("{}x{}", self.height, self.width),
        }
    }

    /// The shorter side.
    pub fn least(self) -> usize {
        self.height.min(self.width)
    }

    /// The longer side.
    pub fn most(self) -> usize {
        self.height.max(self.width)
    }
}

impl From<usize> for Size {
    fn from(side: usize) -> Size {
        Size::square(side)
    }
}

/// Height, then width.
impl From<[usize; 2]> for Size {
    fn from([height, width]: [usize; 2]) -> Size {
        Size { height, width }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "want one side of a square, or [height, width]")]
enum Form {
    Square(usize),
    Sides([usize; 2]),
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self.is_square() {
            true => Form::Square(self.height),
            false => Form::Sides([self.height, self.width]),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Square(side) => Size::square(side),
            Form::Sides(sides) => sides.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_one_number() {
        for (size, text) in [
            (Size::square(112), "112"),
            (Size::from([112, 96]), "[112,96]"),
        ] {
            assert_eq!(serde_json::to_string(&size).unwrap(), text);
            assert_eq!(serde_json::from_str::<Size>(text).unwrap(), size);
        }
        assert_eq!(Size::from([112, 96]).to_string(), "112 x 96");
        assert_eq!(Size::from([112, 96]).in_short(), "112x96");
        assert_eq!(Size::square(64).in_short(), "64");
        assert!(serde_json::from_str::<Size>("[1,2,3]").is_err());
    }
}
