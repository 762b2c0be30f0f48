//! Dot plot: one line per model, one dot per seed, the mean and its interval.

use super::{Axis, Canvas, Drawing, Scale, wrap};

/// One model. Values are in display units.
#[derive(Clone, Debug, PartialEq)]
pub struct DotRow {
    pub label: String,
    /// A class of the style sheet: `teacher`, `student`, `baseline`, `method`, `ablation`.
    pub class: &'static str,
    pub values: Vec<f64>,
    pub mean: Option<f64>,
    pub interval: Option<(f64, f64)>,
    /// What stands in the place of the dots where there are none.
    pub hole: String,
}

/// Models that are compared with each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DotGroup {
    /// Stands above the rows, if there is one.
    pub label: String,
    pub rows: Vec<DotRow>,
    /// Classes and values of vertical lines through the rows of this group.
    pub guides: Vec<(&'static str, f64)>,
}

const WIDTH: f64 = 440.0;
const LEFT: f64 = 138.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 8.0;
const ROW: f64 = 28.0;
/// A group's label.
const HEAD: f64 = 22.0;
/// Characters of a row's label that fit on a line left of the plot.
const LETTERS: usize = 18;

impl DotGroup {
    fn head(&self) -> f64 {
        if self.label.is_empty() { 0.0 } else { HEAD }
    }
}

/// Draws the rows from top to bottom; `guides` are vertical lines through all of them, and
/// `limits` what no value can leave, such as 0 to 100 %.
pub fn dots(
    label: &str,
    unit: &str,
    groups: &[DotGroup],
    guides: &[(&'static str, f64)],
    limits: Option<(f64, f64)>,
) -> Drawing {
    let height = |g: &DotGroup| g.head() + ROW * g.rows.len() as f64;
    let bottom = TOP + groups.iter().map(height).sum::<f64>();
    let mut canvas = Canvas::new(WIDTH, bottom + 40.0);
    let values: Vec<f64> = groups
        .iter()
        .flat_map(|g| &g.rows)
        .flat_map(|r| {
            let ends = r.interval.into_iter().flat_map(|(a, b)| [a, b]);
            r.values.iter().copied().chain(r.mean).chain(ends)
        })
        .collect();
    let mut x = Axis::around(Scale::Linear, values, LEFT, WIDTH - RIGHT);
    if let Some(limits) = limits {
        x = x.within(limits);
    }

    for (value, text) in x.ticks() {
        canvas.line("grid", (x.at(value), TOP), (x.at(value), bottom));
        canvas.text("tick", (x.at(value), bottom + 15.0), "middle", &text);
    }
    guide(&mut canvas, &x, guides, (TOP, bottom));
    let mut top = TOP;
    for group in groups {
        let first = top + group.head();
        if !group.label.is_empty() {
            canvas.text("group", (0.0, first - 6.0), "start", &group.label);
        }
        let last = first + ROW * group.rows.len() as f64;
        guide(&mut canvas, &x, &group.guides, (first, last));
        for (i, row) in group.rows.iter().enumerate() {
            draw(&mut canvas, &x, row, first + ROW * (i as f64 + 0.5));
        }
        top = last;
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    canvas.text("axis", (middle, bottom + 34.0), "middle", unit);
    canvas.finish(label)
}

fn guide(canvas: &mut Canvas, x: &Axis, guides: &[(&'static str, f64)], (from, to): (f64, f64)) {
    for (class, value) in guides {
        let class = format!("guide {class}");
        canvas.line(&class, (x.at(*value), from), (x.at(*value), to));
    }
}

fn draw(canvas: &mut Canvas, x: &Axis, row: &DotRow, y: f64) {
    canvas.name((LEFT - 12.0, y), &wrap(&row.label, LETTERS), &row.label);
    let Some(mean) = row.mean else {
        canvas.text("hole", (LEFT + 8.0, y + 4.0), "start", &row.hole);
        return;
    };
    if let Some((low, high)) = row.interval {
        let class = format!("whisker {}", row.class);
        canvas.line(&class, (x.at(low), y), (x.at(high), y));
    }
    for v in &row.values {
        let class = format!("seed {}", row.class);
        canvas.dot(&class, (x.at(*v), y), 3.0, &format!("{v:.2}"));
    }
    let title = match row.interval {
        Some((low, high)) => format!("{}: {mean:.2} [{low:.2}, {high:.2}]", row.label),
        None => format!("{}: {mean:.2}", row.label),
    };
    let class = format!("mean {}", row.class);
    canvas.dot(&class, (x.at(mean), y), 5.0, &title);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str) -> DotRow {
        DotRow {
            label: label.into(),
            class: "method",
            values: vec![],
            mean: None,
            interval: None,
            hole: "failed".into(),
        }
    }

    fn group(label: &str, rows: Vec<DotRow>) -> DotGroup {
        DotGroup {
            label: label.into(),
            rows,
            guides: vec![("student", 91.0)],
        }
    }

    #[test]
    fn whiskers_span_the_interval_and_holes_say_so() {
        let rows = vec![
            DotRow {
                values: vec![90.0, 92.0],
                mean: Some(91.0),
                interval: Some((90.0, 92.0)),
                ..row("a")
            },
            row("b"),
        ];
        let svg = dots("plot", "%", &[group("", rows)], &[], None).svg;
        // 90 and 92 are the ends of the axis.
        assert!(
            svg.contains(r#"<line class="whisker method" x1="138.0" y1="22.0" x2="426.0""#),
            "{svg}"
        );
        assert!(svg.contains(">failed</text>"));
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn guides_of_a_group_stay_in_it() {
        let groups = [
            group("C0", vec![row("a")]),
            group("C30", vec![row("a"), row("b")]),
        ];
        let svg = dots("plot", "%", &groups, &[], None).svg;
        for ends in [
            r#"y1="30.0" x2="426.0" y2="58.0""#,
            r#"y1="80.0" x2="426.0" y2="136.0""#,
        ] {
            assert!(svg.contains(ends), "{ends}: {svg}");
        }
        assert!(svg.contains(">C30</text>"));
    }

    #[test]
    fn long_labels_are_whole_on_hovering() {
        let long = "An unreasonably verbose description of a model";
        let svg = dots("plot", "%", &[group("", vec![row(long)])], &[], None).svg;
        assert!(svg.contains(&format!("<title>{long}</title>")));
        assert!(svg.contains(">An unreasonably</tspan>"), "{svg}");
    }
}
