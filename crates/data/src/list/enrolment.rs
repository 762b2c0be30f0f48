//! Lists of who is enrolled and who is searched: tables of bob.bio.base, and those of IJB's 1:N.

use super::{Text, bad, bad_table, csv_table, lines, safe_path};
use crate::watch::Steps;
use frbench_base::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// An image of a list of bob.bio.base, and the person on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub file: String,
    pub person: String,
    pub line: usize,
}

/// Reads a CSV with the columns `path` and `subject_id`, or `template_id` where there is no other, in
/// any case of letters. Further columns describe images and are not read.
///
/// # Errors
/// `Error::Data` with the line.
pub fn parse_enrolled<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<Enrolled>> {
    const WANT: &str = "want the columns `path` and `subject_id` (or `template_id`)";
    let Text { bytes, watch } = text.into();
    let steps = Steps::new(watch);
    let mut reader = csv_table(bytes);
    let failed = |e| bad_table(path, e);
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
    let person = column("subject_id").or_else(|| column("template_id"));
    let (Some(file), Some(person)) = (column("path"), person) else {
        let found: Vec<&str> = header.iter().collect();
        return Err(bad(path, 1, format!("{WANT}, found `{}`", found.join(","))));
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        steps.next()?;
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let row = Enrolled {
            file: record[file].to_string(),
            person: record[person].to_string(),
            line,
        };
        if row.person.is_empty() {
            return Err(bad(path, line, "names no person"));
        }
        safe_path(&row.file).map_err(|what| bad(path, line, what))?;
        rows.push(row);
    }
    match rows.is_empty() {
        true => Err(bad(path, 1, "lists no image")),
        false => Ok(rows),
    }
}

/// Templates and the person of each, of a 1:N table of IJB (`TEMPLATE_ID,SUBJECT_ID,...`, with a
/// header, a line for each image), in the order in which they are first named.
///
/// # Errors
/// `Error::Data` with the line, also where a template is of two people.
pub fn parse_templates<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<(u32, u32)>> {
    let mut known: BTreeMap<u32, (u32, usize)> = BTreeMap::new();
    let mut listed = Vec::new();
    for line in lines(text.into(), path)? {
        let (line, content) = line?;
        let mut fields = content.split(',').map(|f| f.trim().parse::<u32>());
        match (fields.next(), fields.next()) {
            (Some(Ok(template)), Some(Ok(subject))) => {
                let (before, first) = *known.entry(template).or_insert_with(|| {
                    listed.push((template, subject));
                    (subject, line)
                });
                if before != subject {
                    let what = format!(
                        "template {template} is of person {subject}, but of {before} in line {first}"
                    );
                    return Err(bad(path, line, what));
                }
            }
            _ if line == 1 => {}
            _ => return Err(bad(path, line, "want `template,subject,...`")),
        }
    }
    match listed.is_empty() {
        true => Err(bad(path, 1, "lists no template")),
        false => Ok(listed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bobs_tables_are_read_old_and_new() {
        let p = Path::new("p.csv");
        let old = parse_enrolled(b"PATH,TEMPLATE_ID\na/1.png,3\n", p).unwrap();
        assert_eq!(
            (old[0].file.as_str(), old[0].person.as_str()),
            ("a/1.png", "3")
        );
        let new = "path,template_id,subject_id,gender\na/1.png,7,anna,f\n";
        assert_eq!(parse_enrolled(new.as_bytes(), p).unwrap()[0].person, "anna");
        for (text, says) in [
            ("a,b\nx,y\n", "p.csv:1: want the columns `path`"),
            ("path,subject_id\n../x.png,1\n", "p.csv:2: "),
            ("path,subject_id\nx.png,\n", "p.csv:2: names no person"),
            ("path,subject_id\n", "lists no image"),
        ] {
            let message = parse_enrolled(text.as_bytes(), p).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn tables_of_templates_name_each_once() {
        let p = Path::new("g.csv");
        let text = "TEMPLATE_ID,SUBJECT_ID,FILENAME\n4,9,a.jpg\n4,9,b.jpg\n2,7,c.jpg\n";
        let listed = parse_templates(text.as_bytes(), p).unwrap();
        assert_eq!(listed, [(4, 9), (2, 7)]);
        let twice = parse_templates(b"4,9\n4,8\n", p).unwrap_err().to_string();
        assert!(
            twice.contains("g.csv:2: template 4 is of person 8"),
            "{twice}"
        );
        assert!(parse_templates(b"a,b\n", p).is_err());
        assert!(parse_templates(b"4,9\nx\n", p).is_err());
    }
}
