//! Dot plot: one line per model, one dot per seed, the mean and its interval.

use super::{Axis, Canvas, Scale, shorten};

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

const WIDTH: f64 = 440.0;
const LEFT: f64 = 128.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 8.0;
const ROW: f64 = 26.0;

/// Draws the rows from top to bottom; `guides` are classes and values of vertical lines.
pub fn dots(label: &str, unit: &str, rows: &[DotRow], guides: &[(&'static str, f64)]) -> String {
    let bottom = TOP + ROW * rows.len() as f64;
    let mut canvas = Canvas::new(WIDTH, bottom + 40.0);
    let values = rows.iter().flat_map(|r| {
        let ends = r.interval.into_iter().flat_map(|(a, b)| [a, b]);
        r.values.iter().copied().chain(r.mean).chain(ends)
    });
    let guided = guides.iter().map(|g| g.1);
    let x = Axis::around(Scale::Linear, values.chain(guided), LEFT, WIDTH - RIGHT);

    for (value, text) in x.ticks() {
        canvas.line("grid", (x.at(value), TOP), (x.at(value), bottom));
        canvas.text("tick", (x.at(value), bottom + 15.0), "middle", &text);
    }
    for (class, value) in guides {
        let class = format!("guide {class}");
        canvas.line(&class, (x.at(*value), TOP), (x.at(*value), bottom));
    }
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        let label = shorten(&row.label, 19);
        canvas.text("name", (LEFT - 8.0, y + 4.0), "end", &label);
        let Some(mean) = row.mean else {
            canvas.text("hole", (LEFT + 8.0, y + 4.0), "start", &row.hole);
            continue;
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
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    canvas.text("axis", (middle, bottom + 34.0), "middle", unit);
    canvas.finish(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiskers_span_the_interval_and_holes_say_so() {
        let row = |label: &str| DotRow {
            label: label.into(),
            class: "method",
            values: vec![],
            mean: None,
            interval: None,
            hole: "failed".into(),
        };
        let rows = [
            DotRow {
                values: vec![90.0, 92.0],
                mean: Some(91.0),
                interval: Some((90.0, 92.0)),
                ..row("a")
            },
            row("b"),
        ];
        let svg = dots("plot", "%", &rows, &[]);
        // 90 and 92 are the ends of the axis.
        assert!(
            svg.contains(r#"<line class="whisker method" x1="128.0" y1="21.0" x2="426.0""#),
            "{svg}"
        );
        assert!(svg.contains(">failed</text>"));
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
