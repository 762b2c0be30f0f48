//! The lists of Celebrities in Frontal-Profile: numbered images, and pairs of numbers.

use super::{Text, bad, lines, safe_path};
use frbench_base::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads `number path` lines (`Pair_list_F.txt`). A path is `../Data/Images/001/frontal/01.jpg`;
/// what is given is the part behind `Data/`.
///
/// # Errors
/// `Error::Data` with the line.
pub fn parse_numbered<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<BTreeMap<u32, String>> {
    let mut images = BTreeMap::new();
    for line in lines(text.into(), path)? {
        let (line, content) = line?;
        let wrong = || bad(path, line, "want `number path`, a path behind `../Data/`");
        let (number, file) = content.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let file = file.trim().replace('\\', "/");
        let file = file.split_once("Data/").map_or(file.as_str(), |(_, f)| f);
        safe_path(file).map_err(|e| bad(path, line, e))?;
        if images.insert(number, file.to_string()).is_some() {
            return Err(bad(path, line, format!("image {number} is listed twice")));
        }
    }
    Ok(images)
}

/// Reads `number,number` lines (`same.txt`, `diff.txt`) as line, first and second.
///
/// # Errors
/// `Error::Data` with the line.
pub fn parse_number_pairs<'a>(
    text: impl Into<Text<'a>>,
    path: &Path,
) -> Result<Vec<(usize, u32, u32)>> {
    lines(text.into(), path)?
        .map(|line| {
            let (line, content) = line?;
            let numbers = content.split_once(',');
            let numbers =
                numbers.and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
            let (a, b) = numbers.ok_or_else(|| bad(path, line, "want `number,number`"))?;
            Ok((line, a, b))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_images() {
        let p = Path::new("f");
        let text =
            b"1 ../Data/Images/001/frontal/01.jpg\n2\t..\\Data\\Images\\001\\frontal\\02.jpg\n";
        let images = parse_numbered(text, p).unwrap();
        assert_eq!(images[&1], "Images/001/frontal/01.jpg");
        assert_eq!(images[&2], "Images/001/frontal/02.jpg");
        assert_eq!(
            parse_number_pairs(b"1,2\n 3, 4\n", p).unwrap()[1],
            (2, 3, 4)
        );
        for text in [&b"x a.jpg"[..], b"1", b"1 ../../a.jpg", b"1 a.jpg\n1 b.jpg"] {
            assert!(parse_numbered(text, p).is_err());
        }
        assert!(parse_number_pairs(b"1;2", p).is_err());
    }
}
