//! LFW's `pairs.txt` (RFW has the same without the first line).

use super::{bad, lines, safe_path};
use frbench_base::Result;
use std::path::Path;

/// Two images by path, and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePair {
    pub first: String,
    pub second: String,
    pub same: bool,
}

/// Reads `name i j` (one person) and `name i name j` (two) lines. Images are
/// `name/name_0001.jpg`. A first line of one or two fields is the header.
pub fn parse_lfw(text: &[u8], path: &Path) -> Result<Vec<FilePair>> {
    let mut pairs = Vec::new();
    for (line, content) in lines(text, path)? {
        let file = |name: &str, number: &str| -> Result<String> {
            let n: u32 = number
                .parse()
                .map_err(|_| bad(path, line, format!("`{number}` is not an image number")))?;
            let file = format!("{name}/{name}_{n:04}.jpg");
            safe_path(&file).map_err(|e| bad(path, line, e))?;
            Ok(file)
        };
        let fields: Vec<&str> = content.split_whitespace().collect();
        let (first, second, same) = match fields[..] {
            [name, i, j] => (file(name, i)?, file(name, j)?, true),
            [a, i, b, j] => (file(a, i)?, file(b, j)?, false),
            [_] | [_, _] if line == 1 => continue,
            _ => {
                return Err(bad(
                    path,
                    line,
                    format!(
                        "{} fields, want `name i j` or `name i name j`",
                        fields.len()
                    ),
                ));
            }
        };
        pairs.push(FilePair {
            first,
            second,
            same,
        });
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_read() {
        let text = b"10\t300\nAbel_Pacheco\t1\t4\nAbdel_Madi_Shabneh\t1\tDean_Barker\t12\n";
        let pairs = parse_lfw(text, Path::new("pairs.txt")).unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].second, "Abel_Pacheco/Abel_Pacheco_0004.jpg");
        assert!(pairs[0].same && !pairs[1].same);
        assert_eq!(pairs[1].second, "Dean_Barker/Dean_Barker_0012.jpg");
        assert_eq!(parse_lfw(&text[7..], Path::new("p")).unwrap(), pairs);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, want) in [
            ("1\nA 1 x\n", "p:2: `x`"),
            ("A 1 2\nA 1\n", "p:2: 2 fields"),
            ("../A 1 2\n", "p:1: "),
        ] {
            let message = parse_lfw(text.as_bytes(), Path::new("p"))
                .unwrap_err()
                .to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
