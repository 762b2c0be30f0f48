//! `index.html` from the templates in `templates`, everything in one file.

use super::view::View;
use frbench_base::{Error, Result};
use tera::{Context, Tera};

/// Names end in `.html`, which is what switches escaping on.
const TEMPLATES: [(&str, &str); 2] = [
    (
        "components.html",
        include_str!("../templates/components.html"),
    ),
    ("index.html", include_str!("../templates/index.html")),
];

const STYLE: &str = include_str!("../templates/style.css");

pub(super) fn page(view: &View) -> Result<String> {
    let wrong = |e: tera::Error| Error::Bug(format!("report template: {e}"));
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES).map_err(wrong)?;
    let mut context = Context::new();
    context.insert("view", view);
    context.insert("style", STYLE);
    tera.render("index.html", &context).map_err(wrong)
}
