//! The page that `frbench eval` leaves of pairs that models get wrong: `wrong-pairs.html`.

use super::output::note;
use super::table::Table;
use crate::data::decode::encode_jpeg;
use crate::data::resize::resize;
use crate::plan::Round;
use crate::report::escape::html;
use crate::run::Store;
use crate::run::wrong_pairs::{Column, wrong_pairs};
use crate::{Error, Result, files};
use std::path::Path;

/// Pairs of a column that are shown with their pictures.
const SHOWN: usize = 40;
/// Longer side of a picture, in pixels.
const SIDE: usize = 112;

/// Writes the page, its pictures, and a table of all such pairs into the folder of the report.
pub fn write(round: &Round, store: &Store, folder: &Path) -> Result<()> {
    let columns = wrong_pairs(round, store)?;
    if columns.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        "data", "protocol", "pair", "same", "first", "second", "model", "wrong", "score",
    ])?;
    let mut page = String::from(HEAD);
    for (number, column) in columns.iter().enumerate() {
        let source = column.set.part("images")?;
        for wrong in &column.wrong {
            let (a, b) = wrong.images;
            let names = [a, b].map(|i| source.describe(i as usize));
            for (label, (is_wrong, score)) in column.models.iter().zip(&wrong.models) {
                table.row(&[
                    &column.data,
                    &column.protocol,
                    &wrong.pair.to_string(),
                    &u8::from(wrong.same).to_string(),
                    &names[0],
                    &names[1],
                    label,
                    &u8::from(*is_wrong).to_string(),
                    &score.to_string(),
                ])?;
            }
        }
        page += &section(column, number, folder)?;
    }
    files::write_atomic(&folder.join("wrong-pairs.csv"), &table.finish()?)?;
    let path = folder.join("wrong-pairs.html");
    files::write_atomic(&path, page.as_bytes())?;
    note(&format!(
        "{}: the pairs that models get wrong, with pictures",
        path.display()
    ));
    Ok(())
}

const HEAD: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Pairs that models get wrong\
</title>\n<style>\nbody { font: 15px/1.4 system-ui, sans-serif; margin: 2em; max-width: 70em; }\n\
figure { display: inline-block; margin: 0 1em 1em 0; vertical-align: top; width: 236px; }\n\
img { border-radius: 3px; }\nfigcaption { font-size: 12px; }\n</style>\n\
<h1>Pairs that models get wrong</h1>\n\
<p>While they are held out, under the rule of their column; those that the fewest models get wrong \
come first.</p>\n";

fn section(column: &Column, number: usize, folder: &Path) -> Result<String> {
    let source = column.set.part("images")?;
    let mut out = format!(
        "<h2>{} ({})</h2>\n<p>Of {} pairs",
        html(&column.data),
        html(&column.protocol),
        column.pairs
    );
    for (i, label) in column.models.iter().enumerate() {
        let own = column.wrong.iter().filter(|w| w.models[i].0);
        let alone = own
            .clone()
            .filter(|w| w.models.iter().filter(|(wrong, _)| *wrong).count() == 1);
        out += &format!(", {} gets {} wrong", html(label), own.count());
        if column.models.len() > 1 {
            out += &format!(" ({} of them alone)", alone.count());
        }
    }
    if column.unusable > 0 {
        out += &format!(
            "; not counted are {} pairs of which an image is missing or damaged",
            column.unusable
        );
    }
    out += ".</p>\n";
    let pictures = folder.join("wrong-pairs");
    std::fs::create_dir_all(&pictures).map_err(|e| Error::io(&pictures, e))?;
    for wrong in column.wrong.iter().take(SHOWN) {
        let (a, b) = wrong.images;
        out += "<figure>";
        for image in [a, b] {
            let name = format!("{number}-{image}.jpg");
            let Ok(picture) = source.image(image as usize) else {
                out += "(damaged) ";
                continue;
            };
            let longer = picture.width.max(picture.height).max(1);
            let side = |n: usize| (n * SIDE / longer).max(1);
            let small = resize(&picture, side(picture.width), side(picture.height));
            files::write_atomic(&pictures.join(&name), &encode_jpeg(&small, 90)?)?;
            let what = html(&source.describe(image as usize));
            out += &format!("<img src=\"wrong-pairs/{name}\" alt=\"{what}\" title=\"{what}\"> ");
        }
        let kind = if wrong.same {
            "one person"
        } else {
            "two people"
        };
        out += &format!("<figcaption>pair {}, {kind}", wrong.pair);
        for (label, (is_wrong, score)) in column.models.iter().zip(&wrong.models) {
            let said = if *is_wrong { "wrong" } else { "right" };
            out += &format!("<br>{}: {said} ({score:.3})", html(label));
        }
        out += "</figcaption></figure>\n";
    }
    let left = column.wrong.len().saturating_sub(SHOWN);
    if left > 0 {
        out += &format!("<p>{left} more are in wrong-pairs.csv.</p>\n");
    }
    Ok(out)
}
