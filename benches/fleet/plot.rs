//! Plots as SVG, by hand: a bar chart and a chart of growth need no library.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 250.0;
const BAR: f64 = 26.0;
const COLOURS: [&str; 3] = ["#2563eb", "#d97706", "#6b7280"];

/// A bar of a chart.
pub struct Bar {
    pub label: String,
    pub value: f64,
    /// The value as text.
    pub text: String,
    /// Which of the colours.
    pub kind: usize,
}

/// Horizontal bars, as long as the logarithm of the value.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let height = 48.0 + BAR * bars.len() as f64 + 8.0;
    let largest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let smallest = bars.iter().map(|bar| bar.value).fold(f64::INFINITY, f64::min);
    let length =
        |value: f64| (value / smallest * 3.0).ln() / (largest / smallest * 3.0).ln() * (WIDTH - LEFT - 110.0);
    let mut svg = head(title, height);
    for (index, bar) in bars.iter().enumerate() {
        let y = 48.0 + BAR * index as f64;
        let length = length(bar.value);
        let colour = COLOURS[bar.kind % COLOURS.len()];
        let (label, text) = (&bar.label, &bar.text);
        writeln!(svg, r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{label}</text>"#, LEFT - 8.0, y + 14.0)
            .unwrap();
        writeln!(svg, r#"<rect x="{LEFT:.0}" y="{y:.0}" width="{length:.1}" height="18" fill="{colour}"/>"#)
            .unwrap();
        writeln!(svg, r#"<text x="{:.1}" y="{:.0}">{text}</text>"#, LEFT + length + 6.0, y + 14.0).unwrap();
    }
    svg + "</svg>\n"
}

/// A line of a chart: values at sizes, both on logarithmic scales.
pub struct Line {
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

/// How something grows.
pub fn growth(title: &str, unit: &str, lines: &[Line]) -> String {
    let (top, bottom, left, right) = (56.0, 316.0, 80.0, WIDTH - 180.0);
    let all = || lines.iter().flat_map(|line| &line.points);
    let span = |of: fn(&(f64, f64)) -> f64| {
        let low = all().map(of).fold(f64::INFINITY, f64::min).log10().floor();
        let high = all().map(of).fold(0.0, f64::max).log10().ceil();
        (low, high.max(low + 1.0))
    };
    let ((x_low, x_high), (y_low, y_high)) = (span(|point| point.0), span(|point| point.1));
    let x = |value: f64| left + (value.log10() - x_low) / (x_high - x_low) * (right - left);
    let y = |value: f64| bottom - (value.log10() - y_low) / (y_high - y_low) * (bottom - top);
    let mut svg = head(title, 360.0);
    for power in x_low as i32..=x_high as i32 {
        let (value, at) = (10f64.powi(power), x(10f64.powi(power)));
        writeln!(svg, r##"<path d="M{at:.1} {top}V{bottom}" stroke="#d1d5db"/>"##).unwrap();
        writeln!(svg, r#"<text x="{at:.1}" y="{:.0}" text-anchor="middle">{value}</text>"#, bottom + 18.0)
            .unwrap();
    }
    for power in y_low as i32..=y_high as i32 {
        let (value, at) = (10f64.powi(power), y(10f64.powi(power)));
        writeln!(svg, r##"<path d="M{left} {at:.1}H{right}" stroke="#d1d5db"/>"##).unwrap();
        writeln!(svg, r#"<text x="{:.0}" y="{:.1}" text-anchor="end">{value}</text>"#, left - 6.0, at + 4.0)
            .unwrap();
    }
    writeln!(
        svg,
        r#"<text x="{:.0}" y="{:.0}" text-anchor="middle">projects</text>"#,
        (left + right) / 2.0,
        bottom + 36.0
    )
    .unwrap();
    writeln!(svg, r#"<text x="{left}" y="{:.0}">{unit}</text>"#, top - 8.0).unwrap();
    for (index, Line { label, points }) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<_> =
            points.iter().map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value))).collect();
        writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        )
        .unwrap();
        let Some((size, value)) = points.last() else { continue };
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" fill="{colour}">{label}</text>"#,
            x(*size) + 8.0,
            y(*value) + 4.0
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

fn head(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\" role=\"img\" aria-label=\"{title}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{title}</text>\n"
    )
}
