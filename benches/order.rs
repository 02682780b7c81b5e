//! The order of an epoch: time per index, forward and back, one by one and in a batch, and what a new
//! epoch costs.

mod common;

use std::hint::black_box;
use std::time::Instant;

use chefgenius::order::Permutation;
use common::{Work, run};

const SIZES: [(u64, &str); 6] = [
    (1_000, "1,000 (table)"),
    (4_096, "4,096"),
    (21_158, "21,158"),
    (1_000_000, "1e6"),
    (1_000_000_000, "1e9"),
    (1_000_000_000_000, "1e12"),
];

/// What plans build per length class and epoch, and one order that is no table.
const NEW: [(u64, &str); 4] = [
    (64, "64 (table)"),
    (1_000, "1,000 (table)"),
    (4_095, "4,095 (table)"),
    (1_000_000_000_000, "1e12"),
];

/// As many indices as a batch of a small model has rows, and as many as a scan of an epoch takes at once.
const BATCHES: [usize; 2] = [32, 1_000];

fn main() {
    run("order", |benches| {
        let index = Work::elements(1, "indices");
        for (n, label) in SIZES {
            let order = Permutation::new(n, 42, 0, "records");
            // Steps through the whole range, so that no place is warm.
            let mut at = 0;
            let mut next = move |end: u64| {
                at = (at + 0x9e37_79b9) % end;
                at
            };
            benches.measure(&format!("at, n = {label}"), index, |b| {
                b.iter(|| black_box(order.at(next(n))));
            });
            benches.measure(&format!("place_of, n = {label}"), index, |b| {
                b.iter(|| black_box(order.place_of(next(n))));
            });
            for batch in BATCHES {
                let mut out = vec![0; batch];
                // Time per index, as in the rows above.
                benches.measure(&format!("fill by {batch}, n = {label}"), index, |b| {
                    b.iter_custom(|indices| {
                        let fills = indices.div_ceil(batch as u64);
                        let begin = Instant::now();
                        for _ in 0..fills {
                            order.fill(next(n - batch as u64 + 1), black_box(&mut out));
                        }
                        let share = indices as f64 / (fills * batch as u64) as f64;
                        begin.elapsed().mul_f64(share)
                    });
                });
            }
        }
        for (n, label) in NEW {
            let elements = Work::elements(if n < 4_096 { n } else { 1 }, "elements");
            let mut epoch = 0;
            benches.measure(&format!("new, n = {label}"), elements, |b| {
                b.iter(|| {
                    epoch += 1;
                    black_box(Permutation::new(n, 42, epoch, "records"))
                });
            });
        }
    });
}
