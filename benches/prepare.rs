//! Raw JSON Lines to a ready store, every target's fidelity known; then with nothing changed, and its memory.
//!
//! With a folder of real recipes and tokenizers (`english_21k.jsonl.xz`, `tokenizers/t5`; named by
//! `CHEFGENIUS_BENCH_DATA`, else `../shared/data`) the figures are those of the targets; else the seeded corpus and the
//! bundled tokenizer are taken, which is said. `CHEFGENIUS_BENCH_RECORDS` says of how many seeded records the memory is
//! measured: 100,000 unless it is set.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chefgenius::prepare::{Report, Request, prepare};
use chefgenius::tokenize::Method;
use common::{corpus, grouped, size};

/// How often each is measured; the median counts. With `--quick` once.
const ROUNDS: usize = 7;
const RECORDS: u64 = 100_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let rounds = if quick { 1 } else { ROUNDS };
    let dir = tempfile::tempdir().unwrap();
    let kitchen = Kitchen::new(dir.path(), quick);
    let bytes = fs::metadata(&kitchen.source).unwrap().len();
    println!(
        "prepare: {} of JSON Lines, {}",
        size(bytes as usize),
        kitchen.what
    );
    println!(
        "{:<44}{:>10}{:>16}{:>12}  {:>14}",
        "", "median", "records/s", "MB/s", "must (aim)"
    );

    let tell = |name: &str, seconds: f64, records: u64, target: &str| {
        println!(
            "{name:<44}{:>8.3} s{:>16}{:>12}  {target:>14}",
            seconds,
            grouped(records as f64 / seconds),
            grouped(bytes as f64 / seconds / 1e6),
        );
    };
    let mut last = None;
    let cases = [
        (
            "first, 2 threads, fidelity of every record",
            2,
            Method::Auto,
            "0.79 (0.38) s",
        ),
        (
            "first, 1 thread, fidelity of every record",
            1,
            Method::Auto,
            "",
        ),
        (
            "first, 2 threads, the library's ids",
            2,
            Method::Library,
            "",
        ),
    ];
    for (name, threads, method, target) in cases {
        // The library takes a hundred times as long.
        let rounds = if method == Method::Library { 1 } else { rounds };
        let (seconds, report) = median(rounds, || {
            let out = kitchen.fresh();
            kitchen.prepare(&out, threads, method)
        });
        let records = report.making.counts.total();
        tell(name, seconds, records, target);
        let fidelity = &report.making.fidelity;
        assert_eq!(fidelity.records, report.making.counts.kept);
        let share = fidelity.records_same as f64 / fidelity.records as f64;
        assert!(share > 0.99, "{share}");
        assert!(
            last.replace(report.store.clone())
                .is_none_or(|store| store == report.store)
        );
    }
    let out = kitchen.fresh();
    let first = kitchen.prepare(&out, 2, Method::Auto).1;
    let (seconds, report) = median(rounds, || kitchen.prepare(&out, 2, Method::Auto));
    assert!(!report.built && report.store == first.store);
    tell(
        "second, nothing changed",
        seconds,
        first.making.counts.total(),
        "1 s",
    );
    let (seconds, report) = median(rounds, || {
        kitchen.append_a_recipe();
        kitchen.prepare(&out, 2, Method::Auto)
    });
    assert!(report.built && report.making.reused + 1 == report.making.counts.kept);
    tell(
        "with one more record",
        seconds,
        report.making.counts.total(),
        "",
    );

    let records = match std::env::var("CHEFGENIUS_BENCH_RECORDS") {
        Ok(records) => records.parse().unwrap(),
        Err(_) if quick => 2000,
        Err(_) => RECORDS,
    };
    memory(dir.path(), &kitchen.tokenizer, records);
}

/// What is prepared.
struct Kitchen {
    dir: PathBuf,
    source: PathBuf,
    tokenizer: PathBuf,
    what: String,
}

impl Kitchen {
    fn new(dir: &Path, quick: bool) -> Self {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let data = std::env::var_os("CHEFGENIUS_BENCH_DATA").map_or_else(beside, PathBuf::from);
        let source = dir.join("recipes.jsonl");
        let (tokenizer, what) = if data.is_dir() && !quick {
            let packed = File::open(data.join("english_21k.jsonl.xz")).unwrap();
            let mut recipes = liblzma::read::XzDecoder::new(packed);
            io::copy(&mut recipes, &mut File::create(&source).unwrap()).unwrap();
            (data.join("tokenizers/t5"), "real recipes, T5")
        } else {
            write_seeded(&source, if quick { 500 } else { 20_000 });
            (
                common::tokenizer(),
                "the seeded corpus, the bundled tokenizer",
            )
        };
        Kitchen {
            dir: dir.to_owned(),
            source,
            tokenizer,
            what: what.into(),
        }
    }

    /// An empty place.
    fn fresh(&self) -> PathBuf {
        let out = self.dir.join("store");
        if out.exists() {
            fs::remove_dir_all(&out).unwrap();
        }
        out
    }

    /// Seconds, and the report.
    fn prepare(&self, out: &Path, threads: usize, method: Method) -> (f64, Report) {
        let request = Request {
            threads: Some(threads),
            method,
            ..Request::new(
                vec![self.source.clone()],
                self.tokenizer.clone(),
                out.to_owned(),
            )
        };
        let begin = Instant::now();
        let (_, report) = prepare(&request, &mut |_| Ok(())).unwrap();
        (begin.elapsed().as_secs_f64(), report)
    }

    fn append_a_recipe(&self) {
        let number = fs::metadata(&self.source).unwrap().len();
        let mut file = File::options().append(true).open(&self.source).unwrap();
        writeln!(file, "{}", corpus::object(&corpus::recipe(number))).unwrap();
    }
}

/// The median of so many runs.
fn median(rounds: usize, mut run: impl FnMut() -> (f64, Report)) -> (f64, Report) {
    let mut runs: Vec<(f64, Report)> = (0..rounds).map(|_| run()).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    runs.swap_remove(rounds / 2)
}

fn write_seeded(path: &Path, records: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for number in 0..records {
        writeln!(file, "{}", corpus::object(&corpus::recipe(number))).unwrap();
    }
    file.flush().unwrap();
}

/// Prints the most memory that a preparation of this many records has, besides mapped files.
fn memory(dir: &Path, tokenizer: &Path, records: u64) {
    let source = dir.join("many.jsonl");
    write_seeded(&source, records);
    let request = Request {
        threads: Some(2),
        ..Request::new(vec![source.clone()], tokenizer.to_owned(), dir.join("many"))
    };
    let before = anonymous();
    let is_done = AtomicBool::new(false);
    let (seconds, kept, most) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !is_done.load(Ordering::Relaxed) {
                most = most.max(anonymous());
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let begin = Instant::now();
        let (_, report) = prepare(&request, &mut |_| Ok(())).unwrap();
        is_done.store(true, Ordering::Relaxed);
        (
            begin.elapsed().as_secs_f64(),
            report.making.counts.kept,
            watch.join().unwrap(),
        )
    });
    let budget = 300e6 + 24.0 * records as f64;
    println!(
        "\n{} seeded records ({}), {seconds:.1} s: {} of anonymous memory at most, {} of it from before; must be \
         under {} ({} kept)",
        grouped(records as f64),
        size(fs::metadata(&source).unwrap().len() as usize),
        size(most as usize),
        size(before as usize),
        size(budget as usize),
        grouped(kept as f64),
    );
    assert!((most as f64) < budget);
}

/// Bytes of this process that no file stands behind.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
