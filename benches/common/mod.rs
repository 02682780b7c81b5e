//! What the benches share: criterion with times that keep all of them under three minutes, a table of what was
//! measured at the end of each, and one seeded corpus.
#![allow(
    dead_code,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared by several benches, which end at the first surprise"
)]

pub mod corpus;
#[path = "../../tests/common/mod.rs"]
pub mod synthetic;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, Criterion, Throughput};
use serde_json::Value;

/// The tokenizer that every bench uses: the bundled one.
pub fn tokenizer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chefgenius/cookbook/tokenizer.json")
}

/// What one iteration gets through.
#[derive(Clone, Copy, Default)]
pub struct Work {
    /// How many of what.
    pub elements: Option<(u64, &'static str)>,
    pub bytes: Option<u64>,
}

impl Work {
    pub fn bytes(bytes: u64) -> Self {
        Work {
            bytes: Some(bytes),
            elements: None,
        }
    }

    pub fn elements(count: u64, unit: &'static str) -> Self {
        Work {
            bytes: None,
            elements: Some((count, unit)),
        }
    }

    fn throughput(self) -> Throughput {
        match (self.elements, self.bytes) {
            (Some((elements, _)), Some(bytes)) => Throughput::ElementsAndBytes { elements, bytes },
            (None, Some(bytes)) => Throughput::BytesDecimal(bytes),
            (elements, None) => Throughput::Elements(elements.map_or(1, |(count, _)| count)),
        }
    }

    /// Per second, when one iteration takes this many nanoseconds.
    fn rates(self, nanoseconds: f64) -> String {
        let per_second = |amount: u64| amount as f64 * 1e9 / nanoseconds;
        let elements = self
            .elements
            .map(|(count, unit)| format!("{} {unit}/s", grouped(per_second(count))));
        let bytes = self
            .bytes
            .map(|bytes| format!("{} MB/s", grouped(per_second(bytes) / 1e6)));
        let rates: Vec<String> = elements.into_iter().chain(bytes).collect();
        rates.join(", ")
    }
}

/// The benches of one file while they run.
pub struct Benches<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    rows: Vec<(String, Work)>,
}

impl Benches<'_> {
    /// Measures one thing. Its name carries size and unit, and is a file's name too.
    pub fn measure(&mut self, name: &str, work: Work, mut routine: impl FnMut(&mut Bencher)) {
        self.group.throughput(work.throughput());
        self.group.bench_function(name, |b| routine(b));
        self.rows.push((name.to_owned(), work));
    }
}

/// Runs the benches of one file, then prints what they measured.
pub fn run(group: &str, benches: impl FnOnce(&mut Benches)) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion");
    let begin = SystemTime::now();
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .nresamples(10_000)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1200))
        .output_directory(&folder)
        .configure_from_args();
    let mut running = Benches {
        group: criterion.benchmark_group(group),
        rows: Vec::new(),
    };
    benches(&mut running);
    let Benches { group: open, rows } = running;
    open.finish();
    table(group, &folder.join(group), begin, &rows);
}

/// One line a bench: its median, the interval that holds it with 95 %, and its rate. Nothing where nothing
/// was measured (`--test`, `--list`, a filter).
fn table(group: &str, folder: &Path, begin: SystemTime, rows: &[(String, Work)]) {
    let mut lines = Vec::new();
    for (name, work) in rows {
        let path = folder.join(name).join("new/estimates.json");
        let fresh = fs::metadata(&path).and_then(|file| file.modified());
        if !fresh.is_ok_and(|time| time >= begin) {
            continue;
        }
        let estimates: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let median = &estimates["median"];
        let point = median["point_estimate"].as_f64().unwrap();
        let interval = &median["confidence_interval"];
        let [low, high] =
            ["lower_bound", "upper_bound"].map(|end| time(interval[end].as_f64().unwrap()));
        lines.push(format!(
            "{name:<34}{:>10}  {:<24}{:>36}",
            time(point),
            format!("[{low} .. {high}]"),
            work.rates(point)
        ));
    }
    if !lines.is_empty() {
        let head = format!("{group:<34}{:>10}  {:<24}{:>36}", "median", "95 %", "rate");
        println!("\n{head}\n{}", "-".repeat(head.len()));
        lines.iter().for_each(|line| println!("{line}"));
        println!();
    }
}

/// Nanoseconds in the unit that fits.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        t if t < 1e3 => (t, "ns"),
        t if t < 1e6 => (t / 1e3, "us"),
        t if t < 1e9 => (t / 1e6, "ms"),
        t => (t / 1e9, "s"),
    };
    match value {
        v if v < 10.0 => format!("{v:.2} {unit}"),
        v if v < 100.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// A number with a comma after every third digit; one decimal where it is small.
pub fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in a name: `4.1 MB`, `48 kB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        1_000_000.. => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{} kB", bytes / 1000),
    }
}
