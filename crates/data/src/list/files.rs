//! Lists of images and folders of images.

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

pub(super) fn is_image(name: &str) -> bool {
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
