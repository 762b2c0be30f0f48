//! Lists of images and folders of images.

use super::{bad, lines};
use frbench_base::{Error, Result};
use std::path::{Component, Path};

/// Refuses paths that leave the folder they are relative to.
pub fn safe_path(path: &str) -> Result<(), String> {
    let inside = Path::new(path)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if inside && !path.is_empty() && !path.contains('\0') {
        Ok(())
    } else {
        Err(format!(
            "`{}` is not a path inside the data set's folder",
            path.escape_debug()
        ))
    }
}

/// `path label` lines; the label is the last field, so paths may hold blanks.
pub fn parse_labels(text: &[u8], path: &Path) -> Result<Vec<(String, u32)>> {
    lines(text, path)?
        .map(|(line, content)| {
            let (file, label) = content
                .rsplit_once(char::is_whitespace)
                .ok_or_else(|| bad(path, line, "want `path label`"))?;
            let label = label
                .parse()
                .map_err(|_| bad(path, line, format!("`{label}` is not a class number")))?;
            let file = file.trim();
            safe_path(file).map_err(|e| bad(path, line, e))?;
            Ok((file.to_string(), label))
        })
        .collect()
}

/// The images of a folder with one subfolder per class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderList {
    /// Paths relative to the folder.
    pub paths: Vec<String>,
    pub labels: Vec<u32>,
    /// Name of each class.
    pub classes: Vec<String>,
}

/// Lists `dir/<class>/*.{jpg,jpeg,png}`. Classes and images are in bytewise order of their
/// names, which unlike the order of a directory listing is the same on every machine.
pub fn image_folder(dir: &Path) -> Result<FolderList> {
    let mut list = FolderList::default();
    for class in names(dir, true)? {
        let label = list.classes.len() as u32;
        for file in names(&dir.join(&class), false)? {
            if is_image(&file) {
                list.paths.push(format!("{class}/{file}"));
                list.labels.push(label);
            }
        }
        list.classes.push(class);
    }
    Ok(list)
}

/// Lists the images in `dir` and in its folders, as paths relative to it in bytewise order.
pub fn images_below(dir: &Path) -> Result<Vec<String>> {
    let mut paths = names(dir, false)?;
    for folder in names(dir, true)? {
        let files = names(&dir.join(&folder), false)?;
        paths.extend(files.iter().map(|file| format!("{folder}/{file}")));
    }
    paths.retain(|path| is_image(path));
    paths.sort_unstable();
    Ok(paths)
}

fn is_image(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| ["jpg", "jpeg", "png"].contains(&e.to_ascii_lowercase().as_str()))
}

/// Names of the folders, or of the files, in `dir`; bytewise order, hidden ones left out.
fn names(dir: &Path, folders: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let entry = entry.map_err(|e| Error::io(dir, e))?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|n| Error::Data(format!("{}: the name {n:?} is not UTF-8", dir.display())))?;
        if !name.starts_with('.') && entry.path().is_dir() == folders {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_last_field() {
        let list = parse_labels(b"a/b 1.jpg  3\nc.png\t0\n", Path::new("l")).unwrap();
        assert_eq!(list, [("a/b 1.jpg".into(), 3), ("c.png".into(), 0)]);
        for text in ["a", "a b", "/etc/passwd 1", "a/../../b 1", "a -1"] {
            assert!(
                parse_labels(text.as_bytes(), Path::new("l")).is_err(),
                "{text}"
            );
        }
        assert!(
            parse_labels(b"a 1\n\xff 1", Path::new("l"))
                .unwrap_err()
                .to_string()
                .contains("l:2")
        );
    }

    #[test]
    fn folders_are_listed_bytewise() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "b/2.JPG",
            "b/10.png",
            "B/x.jpeg",
            "a/readme.txt",
            ".git/y.jpg",
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let list = image_folder(dir.path()).unwrap();
        assert_eq!(list.classes, ["B", "a", "b"]);
        assert_eq!(list.paths, ["B/x.jpeg", "b/10.png", "b/2.JPG"]);
        assert_eq!(list.labels, [0, 2, 2]);
        std::fs::write(dir.path().join("c.png"), b"").unwrap();
        let below = images_below(dir.path()).unwrap();
        assert_eq!(below, ["B/x.jpeg", "b/10.png", "b/2.JPG", "c.png"]);
    }
}
