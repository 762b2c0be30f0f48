//! Lists of images and folders of images.

use crate::walk;
use crate::watch::{Steps, Watch};
use frbench_base::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Refuses paths that leave the folder they are relative to, or that name what is left out of
/// every set.
pub fn safe_path(path: &str) -> Result<(), String> {
    let inside = Path::new(path)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside || path.is_empty() || path.contains('\0') {
        return Err(format!(
            "`{}` is not a path inside the data set's folder",
            path.escape_debug()
        ));
    }
    match walk::part_left_out(Path::new(path)) {
        None => Ok(()),
        Some((part, _)) => Err(format!(
            "`{}` is in no data set: hidden files and `__MACOSX` are left out, here `{}`",
            path.escape_debug(),
            part.to_string_lossy().escape_debug()
        )),
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
    /// Links that were followed.
    pub links: u64,
    /// What was left out, counted by ending or by what it is: `.webp`, `hidden`.
    pub ignored: BTreeMap<String, u64>,
}

/// Lists `dir/<class>/*.{jpg,jpeg,png}`. Classes and images are in bytewise order of their
/// names, which unlike the order of a directory listing is the same on every machine.
///
/// # Errors
/// [`Error::Data`] that names class folders without an image, what [`walk`](crate::walk::walk)
/// refuses, and what `watch` returns.
pub fn image_folder(dir: &Path, watch: Watch) -> Result<FolderList> {
    let steps = Steps::new(watch);
    let found = walk::walk(dir, watch)?;
    let mut list = FolderList {
        links: found.links,
        ignored: found.ignored,
        ..FolderList::default()
    };
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for folder in found.folders.iter().filter(|f| depth(f) == 1) {
        classes.insert(utf8(folder, dir)?, Class::default());
    }
    for file in &found.files {
        steps.next()?;
        let left_out = match (unread(file), depth(file)) {
            (None, 2) => None,
            (None, 1) => Some("outside of the class folders".to_string()),
            (None, _) => Some("in folders within class folders".to_string()),
            (ending, _) => ending,
        };
        let path = utf8(file, dir)?;
        let class = path.split_once('/').and_then(|(c, _)| classes.get_mut(c));
        match (left_out, class) {
            (None, Some(class)) => class.images.push(path),
            (why, class) => {
                let why = why.unwrap_or_default();
                if let Some(class) = class {
                    *class.ignored.entry(why.clone()).or_default() += 1;
                }
                *list.ignored.entry(why).or_default() += 1;
            }
        }
    }
    no_empty_class(dir, &classes)?;
    for ((name, class), label) in classes.into_iter().zip(0..) {
        list.labels.extend(class.images.iter().map(|_| label));
        list.paths.extend(class.images);
        list.classes.push(name);
    }
    Ok(list)
}

/// What is in the folder of a class.
#[derive(Default)]
struct Class {
    images: Vec<String>,
    ignored: BTreeMap<String, u64>,
}

/// How many class folders without an image a message names.
const NAMED: usize = 5;

fn no_empty_class(dir: &Path, classes: &BTreeMap<String, Class>) -> Result<()> {
    let empty: Vec<String> = classes
        .iter()
        .filter(|(_, class)| class.images.is_empty())
        .map(|(name, class)| {
            let holds = match class.ignored.is_empty() {
                true => "nothing that is read".to_string(),
                false => walk::in_words(&class.ignored),
            };
            format!("{}: holds {holds}", dir.join(name).display())
        })
        .collect();
    if empty.is_empty() {
        return Ok(());
    }
    let more = match empty.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    Err(Error::Data(format!(
        "class folders without an image ({IMAGES}); remove them, or put images in:\n  {}{more}",
        empty[..empty.len().min(NAMED)].join("\n  ")
    )))
}

/// The images in a folder and in its folders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageList {
    /// Paths relative to the folder, in bytewise order.
    pub paths: Vec<String>,
    /// Links that were followed.
    pub links: u64,
    /// What was left out, counted by ending or by what it is: `.webp`, `hidden`.
    pub ignored: BTreeMap<String, u64>,
}

/// Lists the images in `dir` and in its folders.
///
/// # Errors
/// What [`walk`](crate::walk::walk) refuses and what `watch` returns.
pub fn images_below(dir: &Path, watch: Watch) -> Result<ImageList> {
    let steps = Steps::new(watch);
    let found = walk::walk(dir, watch)?;
    let mut list = ImageList {
        links: found.links,
        ignored: found.ignored,
        ..ImageList::default()
    };
    for file in &found.files {
        steps.next()?;
        let deep = (depth(file) > 2).then(|| "in folders within folders".to_string());
        match unread(file).or(deep) {
            None => list.paths.push(utf8(file, dir)?),
            Some(why) => *list.ignored.entry(why).or_default() += 1,
        }
    }
    Ok(list)
}

/// Endings of the images that are read, in any case.
const IMAGES: &str = ".jpg, .jpeg, .png";

/// The ending of a file that is not read as an image; none for an image.
fn unread(path: &Path) -> Option<String> {
    match path.extension() {
        Some(ending) => {
            let ending = format!(".{}", ending.to_string_lossy().to_ascii_lowercase());
            let read = IMAGES.split(", ").any(|known| known == ending);
            (!read).then_some(ending)
        }
        None => Some("without an ending".to_string()),
    }
}

/// Whether a name has the ending of an image that is read.
pub(super) fn is_image(name: &str) -> bool {
    unread(Path::new(name)).is_none()
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

/// A relative path as text, with `/` between its parts.
fn utf8(path: &Path, dir: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        Error::Data(format!(
            "{}: the name is not UTF-8",
            dir.join(path).display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::UNWATCHED;

    fn put(dir: &Path, files: &[&str]) {
        for file in files {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    #[test]
    fn folders_are_listed_bytewise() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        put(
            dir,
            &["b/2.JPG", "b/10.png", "B/x.jpeg", "b-/1.jpg", "b-/2.bmp"],
        );
        put(
            dir,
            &["b/readme.txt", "b/Thumbs", "b/c/deep.png", ".git/y.jpg"],
        );
        let list = image_folder(dir, UNWATCHED).unwrap();
        // As names of classes: in a path, `b-/1.jpg` comes before `b/2.JPG`.
        assert_eq!(list.classes, ["B", "b", "b-"]);
        assert_eq!(list.paths, ["B/x.jpeg", "b/10.png", "b/2.JPG", "b-/1.jpg"]);
        assert_eq!(list.labels, [0, 1, 1, 2]);
        put(dir, &["c.png", "d.webp"]);
        assert_eq!(
            walk::in_words(&image_folder(dir, UNWATCHED).unwrap().ignored),
            "1 .bmp, 1 .txt, 1 .webp, 1 hidden, 1 in folders within class folders, \
             1 outside of the class folders, 1 without an ending"
        );
        let below = images_below(dir, UNWATCHED).unwrap();
        assert_eq!(
            below.paths,
            ["B/x.jpeg", "b-/1.jpg", "b/10.png", "b/2.JPG", "c.png"]
        );
        assert_eq!(below.ignored["in folders within folders"], 1);
    }

    #[test]
    fn class_folders_without_an_image_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        put(
            dir,
            &["a/1.jpg", "b/1.webp", "b/2.webp", "c/1.jpg", "__MACOSX/._c"],
        );
        std::fs::create_dir(dir.join("d")).unwrap();
        let error = image_folder(dir, UNWATCHED).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        let text = error.to_string();
        for want in ["b: holds 2 .webp", "d: holds nothing that is read"] {
            let want = dir.join(want).display().to_string();
            assert!(text.contains(&want), "{want} not in {text}");
        }
        assert!(!text.contains("MACOSX"), "{text}");
        std::fs::remove_dir_all(dir.join("b")).unwrap();
        std::fs::remove_dir(dir.join("d")).unwrap();
        assert_eq!(image_folder(dir, UNWATCHED).unwrap().classes, ["a", "c"]);
    }

    #[test]
    fn lists_name_nothing_that_is_left_out() {
        for path in [".a/b.jpg", "a/.b.jpg", "__MACOSX/a.jpg", "../a", "", "/a"] {
            assert!(safe_path(path).is_err(), "{path}");
        }
        assert_eq!(safe_path("./a/b.c/d..jpg"), Ok(()));
    }
}
