//! The parts of `docs/performance.md`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::measure::median;
use crate::plot::{self, Bar, Line};
use crate::rates::{self, Rate};
use crate::rivals::{self, Rival};
use crate::stage::{CONCURRENCY, Stage};
use crate::support::document::{table, write_part};
use crate::{budget, daemon as resting};

const MIB: f64 = 1024.0 * 1024.0;
const SIZES: [usize; 3] = [100, 1_000, 10_000];
const DISTANCE: Duration = Duration::from_millis(20);

/// On what all of it was measured.
pub fn machine() {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let first_line = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok();
        output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
        })
    };
    let rows = [
        ["processor".to_owned(), format!("{}, {cores} cores", of(&read("/proc/cpuinfo"), "model name"))],
        ["memory".to_owned(), of(&read("/proc/meminfo"), "MemTotal")],
        ["kernel".to_owned(), first_line("uname", "-sr")],
        ["rustc".to_owned(), first_line("rustc", "--version")],
        ["server".to_owned(), first_line(&crate::support::bao::binary().to_string_lossy(), "version")],
        ["Python".to_owned(), first_line("python3", "--version")],
    ];
    write("machine", &table(["", ""], rows));
}

/// Against the bare load generator, and how everything grows.
pub async fn rates() {
    let mut rates = Vec::new();
    for (latency, rounds) in [(Duration::ZERO, [9, 7, 3]), (DISTANCE, [3, 3, 1])] {
        for (projects, rounds) in SIZES.into_iter().zip(rounds) {
            let rate = rates::measure(projects, latency, rounds).await;
            println!("{projects} projects, {latency:?}: {:.2} of the generator's rate", rate.ratio);
            rates.push(rate);
        }
    }
    let header =
        ["projects", "latency", "rotations/s", "bare sockets", "ratio", "bare client", "ratio", "rounds"];
    let rows = rates.iter().map(|rate| {
        [
            rate.projects.to_string(),
            format!("{} ms", rate.latency.as_millis()),
            format!("{:.0}", rate.rotator),
            format!("{:.0}", rate.generator),
            format!("**{:.2}**", rate.ratio),
            format!("{:.0}", rate.client),
            format!("{:.2}", rate.client_ratio),
            rate.rounds.to_string(),
        ]
    });
    write("rates", &format!("{}\n{CONCURRENCY} projects side by side, both.", table(header, rows)));
    let bars: Vec<_> = rates.iter().flat_map(rate_bars).collect();
    draw(
        "rates.svg",
        &plot::bars("Rotations per second: rotator, and bare load generator (logarithmic)", &bars),
    );

    let near: Vec<_> = rates.iter().filter(|rate| rate.latency.is_zero()).collect();
    let header = ["projects", "time", "peak memory", "counted requests", "each project's share"];
    let rows = near.iter().map(|rate| {
        [
            rate.projects.to_string(),
            format!("{:.1} s", rate.seconds),
            format!("{:.1} MiB", rate.peak / MIB),
            format!("{:.0}", rate.requests),
            format!("{:.4}", rate.requests / rate.projects as f64),
        ]
    });
    let exponent = |of: fn(&Rate) -> f64| {
        let points: Vec<_> = near.iter().map(|rate| (rate.projects as f64, of(rate))).collect();
        format!("{:.2}", slope(&points))
    };
    let exponents = [
        "*exponent*".to_owned(),
        exponent(|rate| rate.seconds),
        exponent(|rate| rate.peak),
        exponent(|rate| rate.requests),
        String::new(),
    ];
    write("growth", &table(header, rows.chain([exponents])));
    let line = |label: &str, of: fn(&Rate) -> f64| Line {
        label: label.to_owned(),
        points: near.iter().map(|rate| (rate.projects as f64, of(rate))).collect(),
    };
    let lines = [line("time (s)", |rate| rate.seconds), line("peak memory (MiB)", |rate| rate.peak / MIB)];
    draw(
        "growth.svg",
        &plot::growth("A rotation of everything, by the number of projects", "s, MiB", &lines),
    );
}

fn rate_bars(rate: &Rate) -> [Bar; 2] {
    let label = |name: &str| format!("{} projects, {} ms, {name}", rate.projects, rate.latency.as_millis());
    let bar =
        |name: &str, value: f64, kind| Bar { label: label(name), value, text: format!("{value:.0}"), kind };
    [bar("rotator", rate.rotator, 0), bar("generator", rate.generator, 2)]
}

/// The slope of the line through points on logarithmic scales, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    covariance / logs.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

/// Against what people would use instead.
pub async fn costs() {
    let mut rows = Vec::new();
    let (mut cpu_bars, mut lines) = (Vec::new(), Vec::new());
    for (kind, rival) in [Rival::Rotator, Rival::Python, Rival::Script].into_iter().enumerate() {
        let sizes = if matches!(rival, Rival::Script) { &SIZES[..1] } else { &SIZES[..] };
        let mut points = Vec::new();
        for (&projects, runs) in sizes.iter().zip([5, 3, 1]) {
            let stage = Stage::new(projects).await;
            let runs = if matches!(rival, Rival::Script) { 1 } else { runs };
            let costs = rival.measure(&stage, runs).await;
            let each =
                median(costs.iter().map(|cost| cost.cpu.as_secs_f64() * 1e3).collect()) / projects as f64;
            let peak = median(costs.iter().map(|cost| cost.peak as f64 / MIB).collect());
            println!("{}, {projects} projects: {each:.3} ms, {peak:.1} MiB", rival.name());
            let instructions = match (rival, projects) {
                (Rival::Rotator | Rival::Python, 100) => rival.instructions(&stage).await,
                _ => None,
            };
            let instructions = instructions
                .map_or_else(|| "-".to_owned(), |all| format!("{:.2}", all / 1e6 / projects as f64));
            rows.push([
                rival.name().to_owned(),
                projects.to_string(),
                format!("{each:.2} ms"),
                instructions,
                format!("{peak:.1} MiB"),
                runs.to_string(),
            ]);
            points.push((projects as f64, peak));
            let label = format!("{}, {projects} projects", rival.name());
            cpu_bars.push(Bar { label, value: each, text: format!("{each:.2} ms"), kind });
        }
        lines.push(Line { label: rival.name().split(' ').next().unwrap().to_owned(), points });
    }
    let agent = rivals::agent(&Stage::new(1).await).await as f64 / MIB;
    rows.push(["idle `bao agent`", "-", "-", "-", &format!("{agent:.1} MiB"), "1"].map(str::to_owned));
    let header = [
        "program",
        "projects",
        "CPU per rotation",
        "million instructions per rotation",
        "peak memory",
        "runs",
    ];
    write("costs", &table(header, rows));
    draw("cpu.svg", &plot::bars("CPU time per rotation (logarithmic)", &cpu_bars));
    draw("memory.svg", &plot::growth("Peak memory, by the number of projects", "MiB", &lines));
}

/// What criterion has found before, in the same `make bench`.
pub fn parts_of_a_pass() {
    let found = |group: &str, name: &str| {
        let file = format!("target/criterion/{group}/{name}/new/estimates.json");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let estimates: serde_json::Value = serde_json::from_str(&text).unwrap();
        format!("{:.2} ms", estimates["median"]["point_estimate"].as_f64().unwrap() / 1e6)
    };
    let rows = [
        ["plan of 10,000 projects, all up to date", &found("plan of 10,000 projects", "up to date")],
        ["plan of 10,000 projects, all due", &found("plan of 10,000 projects", "all due")],
        [
            "page of 100 projects with their usage, 1.6 MiB",
            &found("listing", "100 projects with their usage"),
        ],
        ["page of 100 keys", &found("listing", "100 keys")],
    ];
    write("parts", &facts(["", "median"], rows));
}

/// The daemon, and the pass that finds nothing to do.
pub async fn daemon() {
    let starts = resting::starts(&Stage::new(1).await, 15).await;
    let start = median(starts.iter().map(|time| time.as_secs_f64() * 1e3).collect());
    let (mut few, mut due, mut many) =
        (Stage::new(5).await, Stage::new(1_000).await, Stage::new(2_000).await);
    for stage in [&few, &many] {
        stage.rig.json(&["rotate"]).await;
    }
    let first = due.rig.json(&["rotate"]).await;
    let quiet = due.rig.json(&["rotate"]).await;
    // Beside each other: at rest they do not disturb.
    let idle = tokio::join!(resting::idle(&mut few), resting::idle(&mut due), resting::idle(&mut many));
    let memory = |idle: &resting::Idle| format!("{:.1} MiB", idle.memory as f64 / MIB);
    let cpu = |idle: &resting::Idle| format!("{:.2} s", idle.cpu_per_hour.as_secs_f64());
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_exceptionless-rotator")).unwrap().len() as f64 / MIB;
    let rows = [
        ["start of the process to `READY=1`", &format!("{start:.0} ms (median of {})", starts.len())],
        ["size of the program", &format!("{binary:.1} MiB")],
        ["memory at rest, after a pass over 5 projects", &memory(&idle.0)],
        ["memory at rest, after a pass over 1,000 projects", &memory(&idle.1)],
        ["memory at rest, after a pass over 2,000 projects", &memory(&idle.2)],
        ["CPU time at rest, per hour, 5 projects", &cpu(&idle.0)],
        ["CPU time at rest, per hour, 2,000 projects", &cpu(&idle.2)],
        ["requests that count, of a pass with nothing to do, 1,000 projects", &quiet["requests"].to_string()],
        ["requests that count, of a pass that rotates all 1,000", &first["requests"].to_string()],
    ];
    write("daemon", &facts(["", ""], rows));
}

/// When the budget is what limits.
pub async fn budget() {
    let budget::Budget { projects, requests, refused, took, ideal } = budget::measure(6_000).await;
    let minutes = |time: Duration| format!("{:.1} min", time.as_secs_f64() / 60.0);
    let rows = [
        ["projects", &projects.to_string()],
        ["requests that count", &requests.to_string()],
        ["refused (429)", &refused.to_string()],
        ["ideal", &minutes(ideal)],
        ["took", &minutes(took)],
        ["ratio", &format!("**{:.3}**", took.as_secs_f64() / ideal.as_secs_f64())],
    ];
    write("budget", &facts(["", ""], rows));
}

/// A table of two columns.
fn facts<const ROWS: usize>(header: [&str; 2], rows: [[&str; 2]; ROWS]) -> String {
    table(header, rows.map(|row| row.map(str::to_owned)))
}

fn write(part: &str, findings: &str) {
    println!("{findings}");
    write_part(&docs().join("performance.md"), part, findings);
}

fn draw(name: &str, svg: &str) {
    let folder = docs().join("performance");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), svg).unwrap();
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}
