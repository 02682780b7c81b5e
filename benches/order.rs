//! The order of an epoch: time per index, forward and back, and what a new epoch costs.

mod common;

use std::hint::black_box;

use chefgenius::order::Permutation;
use common::{Work, run};

const SIZES: [(u64, &str); 4] = [
    (1_000, "1,000 (table)"),
    (21_158, "21,158"),
    (1_000_000, "1,000,000"),
    (1_000_000_000_000, "1e12"),
];

fn main() {
    run("order", |benches| {
        for (n, label) in SIZES {
            let order = Permutation::new(n, 42, 0, "records");
            let index = Work::elements(1, "indices");
            // Steps through the whole range, so that no place is warm.
            let next = |i: u64| (i + 0x9e37_79b9) % n;
            let mut at = 0;
            benches.measure(&format!("at, n = {label}"), index, |b| {
                b.iter(|| {
                    at = next(at);
                    black_box(order.at(at))
                });
            });
            benches.measure(&format!("place_of, n = {label}"), index, |b| {
                b.iter(|| {
                    at = next(at);
                    black_box(order.place_of(at))
                });
            });
            let epochs = Work::elements(1, "epochs");
            let mut epoch = 0;
            benches.measure(&format!("new, n = {label}"), epochs, |b| {
                b.iter(|| {
                    epoch += 1;
                    black_box(Permutation::new(n, 42, epoch, "records"))
                });
            });
        }
    });
}
