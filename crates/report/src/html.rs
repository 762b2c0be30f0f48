//! `index.html` from the templates in `templates`, everything in one file.

use super::section::Page;
use frbench_base::{Error, Result};
use tera::{Context, Tera};

/// Names end in `.html`, which is what switches escaping on.
const TEMPLATES: [(&str, &str); 2] = [
    ("blocks.html", include_str!("../templates/blocks.html")),
    ("page.html", include_str!("../templates/page.html")),
];

const STYLE: &str = include_str!("../templates/style.css");

pub(super) fn page(page: &Page) -> Result<String> {
    let wrong = |e: tera::Error| Error::Bug(format!("report template: {e}"));
    let mut tera = Tera::default();
    tera.set_escape_fn(|text, out| out.write_all(super::escape::html(text).as_bytes()));
    tera.add_raw_templates(TEMPLATES).map_err(wrong)?;
    let mut context = Context::new();
    context.insert("page", page);
    context.insert("style", STYLE);
    tera.render("page.html", &context).map_err(wrong)
}
