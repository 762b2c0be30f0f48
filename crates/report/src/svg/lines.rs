//! Line charts: training curves and ROC.

use super::{Axis, Canvas, Drawing, Scale, shorten};

/// One line. `class` picks colour and dash pattern from the style sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub label: String,
    pub class: String,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// What is shown, for readers who do not see it.
    pub label: String,
    pub x: String,
    pub y: String,
    pub x_scale: Scale,
    pub y_scale: Scale,
    /// Values that the upward axis reaches in any case, so that plots can be compared.
    pub y_range: Option<(f64, f64)>,
    /// Height of the drawing for a width of 440.
    pub height: f64,
    /// A diagonal of chance (ROC).
    pub chance: bool,
    pub series: Vec<Series>,
}

const WIDTH: f64 = 440.0;
/// Room for tick labels left of, above, right of and under the plot area.
const LEFT: f64 = 48.0;
const TOP: f64 = 24.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// Draws the chart; points that are not finite (or not positive on a log axis) are left out.
pub fn lines(chart: &LineChart) -> Drawing {
    let mut canvas = Canvas::new(WIDTH, chart.height);
    let points = || chart.series.iter().flat_map(|s| s.points.iter());
    let (right, bottom) = (WIDTH - RIGHT, chart.height - BOTTOM);
    let x = Axis::around(chart.x_scale, points().map(|p| p.0), LEFT, right);
    let ends = chart
        .y_range
        .into_iter()
        .flat_map(|(low, high)| [low, high]);
    let values = points().map(|p| p.1).chain(ends);
    let y = Axis::around(chart.y_scale, values, bottom, TOP);

    for (value, text) in x.ticks() {
        let at = x.at(value);
        canvas.line("grid", (at, TOP), (at, bottom));
        canvas.text("tick", (at, bottom + 15.0), "middle", &text);
    }
    for (value, text) in y.ticks() {
        let at = y.at(value);
        canvas.line("grid", (LEFT, at), (right, at));
        canvas.text("tick", (LEFT - 6.0, at + 4.0), "end", &text);
    }
    canvas.text(
        "axis",
        ((LEFT + right) / 2.0, chart.height - 6.0),
        "middle",
        &chart.x,
    );
    canvas.text("axis", (LEFT - 6.0, 11.0), "end", &shorten(&chart.y, 8));
    if chart.chance {
        canvas.path("chance", &diagonal(&x, &y), "chance");
    }
    for series in &chart.series {
        let usable = |p: &&(f64, f64)| {
            p.0.is_finite()
                && p.1.is_finite()
                && (chart.x_scale == Scale::Linear || p.0 > 0.0)
                && (chart.y_scale == Scale::Linear || p.1 > 0.0)
        };
        let drawn: Vec<_> = series
            .points
            .iter()
            .filter(usable)
            .map(|p| (x.at(p.0), y.at(p.1)))
            .collect();
        let class = format!("line {}", series.class);
        match drawn.as_slice() {
            [] => {}
            [one] => canvas.dot(&class, *one, 2.5, &series.label),
            _ => canvas.path(&class, &drawn, &series.label),
        }
    }
    canvas.finish(&chart.label)
}

/// Equal rates on both axes, which is a curve where one of them is logarithmic.
fn diagonal(x: &Axis, y: &Axis) -> Vec<(f64, f64)> {
    let (low, high) = (x.min.max(y.min), x.max.min(y.max));
    if low >= high {
        return Vec::new();
    }
    (0..=48)
        .map(|i| {
            let share = f64::from(i) / 48.0;
            let v = match x.scale {
                Scale::Linear => low + share * (high - low),
                Scale::Log => low.max(x.min) * (high / low.max(x.min)).powf(share),
            };
            (x.at(v), y.at(v))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> LineChart {
        LineChart {
            label: "a <chart>".into(),
            x: "x".into(),
            y: "y".into(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: None,
            height: 240.0,
            chance: false,
            series: vec![Series {
                label: "\"one\"".into(),
                class: "s1".into(),
                points,
            }],
        }
    }

    #[test]
    fn points_lie_where_the_axes_say() {
        let svg = lines(&chart(vec![(0.0, 0.0), (1.0, f64::NAN), (10.0, 5.0)])).svg;
        assert!(
            svg.contains(r#"<path class="line s1" d="M48.0 200.0L426.0 24.0">"#),
            "{svg}"
        );
        assert!(svg.contains("a &lt;chart&gt;") && svg.contains("&quot;one&quot;"));
    }

    #[test]
    fn a_range_is_reached_where_no_point_is() {
        let mut low = chart(vec![(0.0, 1.0), (10.0, 2.0)]);
        low.y_range = Some((0.0, 100.0));
        // 2 of 100 over a height of 176.
        assert!(
            lines(&low).svg.contains("L426.0 196.5"),
            "{}",
            lines(&low).svg
        );
    }

    #[test]
    fn nothing_to_draw_is_an_empty_plot() {
        assert!(!lines(&chart(vec![])).svg.contains("NaN"));
        assert!(
            !lines(&chart(vec![(f64::INFINITY, 1.0)]))
                .svg
                .contains("inf")
        );
    }
}
