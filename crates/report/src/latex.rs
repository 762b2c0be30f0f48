//! Tables of a report for a paper: one `tabular` each, with rules by booktabs. Text is escaped here,
//! as in the other renderers.

use super::block::{Align, Block, CellFormat, Group, Head, Row, Table, Text};
use super::escape::latex as escape;
use super::section::{Chapter, Page};

/// A file for each chapter that has tables: its name and its text.
pub(super) fn files(page: &Page) -> Vec<(String, String)> {
    let of = |chapter: &Chapter| {
        let mut tables = Vec::new();
        collect(&chapter.blocks, &mut tables);
        let text = format!(
            "% {}, profile {}: {}\n% \\usepackage{{booktabs}}\n",
            escape(&page.title),
            escape(&page.profile),
            escape(chapter.title)
        );
        let text = text + &tables.iter().map(|t| table(t)).collect::<String>();
        (!tables.is_empty()).then(|| (format!("{}.tex", chapter.id), text))
    };
    page.chapters.iter().filter_map(of).collect()
}

/// All tables of these blocks, those that are folded, too.
fn collect<'a>(blocks: &'a [Block], out: &mut Vec<&'a Table>) {
    for block in blocks {
        match block {
            Block::Table(t) => out.push(t),
            Block::Pair(p) => out.push(&p.table),
            Block::Details(d) => collect(&d.blocks, out),
            Block::Part(p) => collect(&p.blocks, out),
            Block::Heading(_)
            | Block::Prose(_)
            | Block::List(_)
            | Block::Facts(_)
            | Block::Callouts(_)
            | Block::Plots(_)
            | Block::Gallery(_) => {}
        }
    }
}

fn table(t: &Table) -> String {
    let columns: String = t.head.iter().map(|h| letter(h.align)).collect();
    let mut out = format!(
        "\n% {}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n",
        escape(&t.label)
    );
    if !t.over.is_empty() {
        out += &over(&t.over, t.head.len());
    }
    out += &line(t.head.iter().map(head));
    for (i, group) in t.groups.iter().enumerate() {
        // The rule below the heads is that of the first group.
        if i == 0 || !group.title.is_empty() {
            out += "\\midrule\n";
        }
        out += &rows(group, t.head.len());
    }
    out + "\\bottomrule\n\\end{tabular}\n"
}

fn letter(align: Align) -> &'static str {
    match align {
        Align::Left => "l",
        Align::Words => "p{0.3\\linewidth}",
        Align::Right => "r",
    }
}

/// Headings above several columns, each with a rule; the first column has none.
fn over(over: &[(String, usize)], columns: usize) -> String {
    let (mut cells, mut rules, mut at) = (vec![String::new()], String::new(), 2);
    for (title, n) in over {
        cells.push(format!("\\multicolumn{{{n}}}{{c}}{{{}}}", escape(title)));
        if !title.is_empty() {
            rules += &format!("\\cmidrule(lr){{{at}-{}}}", at + n - 1);
        }
        at += n;
    }
    cells.extend((at..=columns).map(|_| String::new()));
    format!("{}{rules}\n", line(cells.into_iter()))
}

fn rows(group: &Group, columns: usize) -> String {
    let title = match group.title.as_str() {
        "" => String::new(),
        title => {
            let named = format!("\\emph{{{}}} {}", escape(title), escape(&group.note));
            format!(
                "\\multicolumn{{{columns}}}{{l}}{{{}}} \\\\\n",
                named.trim_end()
            )
        }
    };
    let row = |row: &Row| line(row.cells.iter().map(|c| c.line(&CELL)));
    title + &group.rows.iter().map(row).collect::<String>()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("{} \\\\\n", cells.join(" & ").trim())
}

fn head(h: &Head) -> String {
    format!("{} {}", text(&h.text), escape(&h.note))
        .trim_end()
        .to_string()
}

const CELL: CellFormat = CellFormat {
    empty: "--",
    text,
    best: |t| format!("\\textbf{{{}}}", text(t)),
    escape,
};

/// Without its marks.
fn text(text: &Text) -> String {
    escape(&text.words())
}

#[cfg(test)]
mod tests {
    use super::super::block::samples::every;
    use super::*;

    fn page(text: &str) -> Page {
        Page {
            title: text.into(),
            profile: text.into(),
            kicker: Text::new(),
            paper: Text::new(),
            chapters: vec![Chapter {
                id: "here",
                short: "Here",
                title: "Here",
                blocks: every(text),
            }],
        }
    }

    /// What of a text LaTeX takes for more than letters.
    fn marks(text: &str) -> (usize, usize, usize) {
        let (mut cells, mut rows, mut depth) = (0, 0, 0i64);
        let mut before = '\n';
        for c in text.chars() {
            let escaped = before == '\\';
            match c {
                '&' if !escaped => cells += 1,
                '\\' if escaped => rows += 1,
                '{' if !escaped => depth += 1,
                '}' if !escaped => depth -= 1,
                '#' | '%' | '_' | '^' | '~' => assert!(escaped || before == '\n', "{text}"),
                _ => {}
            }
            assert!(depth >= 0, "{text}");
            before = if escaped && c == '\\' { ' ' } else { c };
        }
        assert_eq!(depth, 0, "{text}");
        (cells, rows, text.lines().count())
    }

    #[test]
    fn no_text_becomes_a_mark() {
        let plain = files(&page("w")).remove(0);
        assert_eq!(plain.0, "here.tex");
        for c in (0..128u8).map(char::from).chain(['\u{85}', '\u{2066}']) {
            for text in [format!("{c}x{c}{c}y"), format!("x{c}")] {
                let found = files(&page(&text)).remove(0).1;
                assert_eq!(marks(&found), marks(&plain.1), "{text:?}: {found}");
            }
        }
    }
}
