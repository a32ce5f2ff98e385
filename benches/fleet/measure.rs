//! What a program costs: time, processor time, and memory at its peak.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use tokio::process::Command;

/// Short beside the life of what is measured; the kernel keeps the peak of each process between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// What one run took.
#[derive(Debug, Clone)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time, of all processes that belong to it.
    pub cpu: Duration,
    /// In bytes, of all its processes together.
    pub peak: u64,
    pub output: Output,
}

/// Runs a program to its end, which must be a good one. One at a time: the kernel adds up what ended children used.
pub async fn run(mut command: Command) -> Cost {
    let before = children();
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let root = child.id().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let watch = thread::spawn({
        let ended = Arc::clone(&ended);
        move || peak(root, &ended)
    });
    let output = child.wait_with_output().await.unwrap();
    let wall = started.elapsed();
    ended.store(true, Ordering::Relaxed);
    let cost = Cost { wall, cpu: children() - before, peak: watch.join().unwrap(), output };
    assert!(cost.output.status.success(), "{}", String::from_utf8_lossy(&cost.output.stderr));
    cost
}

/// What the ended children of this process used.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1000))
        .sum()
}

/// The largest sum of the peaks of the processes that lived at the same time, a page that two share being counted twice.
fn peak(root: u32, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !ended.load(Ordering::Relaxed) {
        peak = peak.max(family(root).into_iter().map(|process| memory(process, "VmHWM")).sum());
        thread::sleep(LOOK);
    }
    peak
}

/// A process and all that descend from it.
fn family(root: u32) -> Vec<u32> {
    let children = |parent: u32| {
        let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    };
    let mut members = vec![root];
    let mut next = 0;
    while let Some(member) = members.get(next) {
        members.extend(children(*member));
        next += 1;
    }
    members
}

/// A line of a process's status that counts kibibytes, in bytes. 0 for a process that has ended.
pub fn memory(process: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let lines: BTreeMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let kibibytes = lines.get(line).and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// The processor time that the living threads of a process have used.
pub fn cpu(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let used = tasks.map(|task| {
        let spent = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        spent.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(used.sum())
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
