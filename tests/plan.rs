//! Every plan: each record as often as it should be, batches that can be built alone, and the way back.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;

use chefgenius::fingerprint::Fingerprint;
use chefgenius::layout::{Layout, Model};
use chefgenius::plan::{BatchLimit, PLAN_VERSION, Plan, PlanKind, PlanSpec};
use common::{build, cases, layout, spec_of, store};
use proptest::prelude::*;

const KINDS: [PlanKind; 3] = [PlanKind::Fixed, PlanKind::Bucketed, PlanKind::Packed];

fn causal() -> Layout {
    Layout {
        model: Model::Causal,
        bos_id: Some(2),
        separator_ids: vec![5, 6],
        ..layout()
    }
}

/// How often each record is in an epoch, by the batches that hold it.
fn seen(plan: &Plan, epoch: u64) -> HashMap<usize, Vec<u64>> {
    let mut seen: HashMap<usize, Vec<u64>> = HashMap::new();
    for index in 0..plan.micro_batches() {
        for record in plan.records(epoch, index).unwrap().records {
            seen.entry(record).or_default().push(index);
        }
    }
    seen
}

fn check_whole_epochs(plan: &Plan, records: &[usize]) {
    for epoch in [0, 1, 7] {
        let seen = seen(plan, epoch);
        assert_eq!(seen.len(), records.len());
        for record in records {
            assert_eq!(seen[record].len(), 1, "record {record}");
            assert_eq!(plan.when(epoch, *record), seen[record]);
        }
    }
}

fn any_spec() -> impl Strategy<Value = PlanSpec> {
    let limit = prop_oneof![
        (1_u32..40).prop_map(BatchLimit::Rows),
        (800_u32..9000).prop_map(BatchLimit::Tokens)
    ];
    (
        0..3_usize,
        limit,
        1_u32..6,
        any::<bool>(),
        8_u32..256,
        8_u32..512,
    )
        .prop_map(|(kind, limit, slots, is_causal, input, target)| {
            let mut spec = spec_of(KINDS[kind], 8, slots);
            if spec.kind == PlanKind::Bucketed || matches!(limit, BatchLimit::Rows(_)) {
                spec.limit = limit;
            }
            if is_causal {
                spec.layout = causal();
            }
            (spec.layout.max_input_length, spec.layout.max_target_length) = (input, target);
            spec
        })
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn every_record_is_in_every_epoch_once(n in 1_u64..700, spec in any_spec(), seed: u64) {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), n, 1000);
        let plan = Plan::new(&store, spec, seed).unwrap();
        let all: Vec<usize> = (0..n as usize).collect();
        check_whole_epochs(&plan, &all);
        // As it was kept beside the store.
        let again = Plan::new(&store, plan.spec().clone(), seed).unwrap();
        prop_assert_eq!(again.fingerprint(), plan.fingerprint());
        for index in 0..plan.micro_batches() {
            prop_assert_eq!(again.records(3, index).unwrap(), plan.records(3, index).unwrap());
        }
        let found = Plan::find(&store, plan.fingerprint().as_str(), seed).unwrap().unwrap();
        prop_assert_eq!(found.spec(), plan.spec());
        prop_assert!(plan.when(0, n as usize).is_empty());
    }

    #[test]
    fn batches_are_within_their_limits(n in 1_u64..400, spec in any_spec(), seed: u64) {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), n, 1000);
        let plan = Plan::new(&store, spec.clone(), seed).unwrap();
        let mut short = 0;
        for index in 0..plan.micro_batches() {
            let batch = build(&store, &plan, 2, index).unwrap();
            let [ids, labels] = [batch.tensors[0], batch.tensors[2]];
            let columns = ids.columns.unwrap() + if spec.layout.model == Model::Causal { 0 } else { labels.columns.unwrap() };
            match spec.limit {
                BatchLimit::Rows(rows) => short += usize::from(ids.rows < rows as usize),
                BatchLimit::Tokens(most) => prop_assert!(ids.rows * columns <= most as usize),
            }
        }
        prop_assert!(short <= 1, "{} short batches", short);
    }
}

/// Long and short batches come in no order that a loss could follow: the lengths of neighbours, and of batches some
/// way apart, are as unlike as in a shuffle.
#[test]
fn the_lengths_of_bucketed_batches_do_not_cycle() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 6000, 1000);
    let plan = Plan::new(&store, spec_of(PlanKind::Bucketed, 8, 1), 11).unwrap();
    let mut worst = 0.0_f64;
    for epoch in 0..4 {
        let lengths: Vec<f64> = (0..plan.micro_batches())
            .map(|index| {
                let records = plan.records(epoch, index).unwrap().records;
                let target = |&record: &usize| store.lengths(record).unwrap().1 as f64;
                records.iter().map(target).sum::<f64>() / records.len() as f64
            })
            .collect();
        let n = lengths.len() as f64;
        let mean = lengths.iter().sum::<f64>() / n;
        let variance = lengths.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        for lag in 1..=100 {
            let pairs = lengths.iter().zip(&lengths[lag..]);
            let together: f64 = pairs.map(|(x, y)| (x - mean) * (y - mean)).sum();
            worst = worst.max((together / variance / (n - lag as f64).sqrt()).abs());
        }
    }
    assert!(worst < 5.0, "a correlation of {worst} standard deviations");
}

/// Records that are equally long meet in batches wherever they stand in the store, and whatever source they are of.
#[test]
fn equally_long_records_meet_from_all_over_the_store() {
    const RECORDS: u64 = 9000;
    const MOST: u32 = 200;
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), RECORDS, 1000);
    for weights in [vec![], vec![(0, 2.0), (1, 2.0)]] {
        let mut spec = spec_of(PlanKind::Bucketed, 8, 1);
        // Two of three records are cut to the same length: more than the permutations of tables are of.
        (spec.layout.max_input_length, spec.layout.max_target_length) = (5, MOST);
        spec.weights = weights.into_iter().collect();
        let plan = Plan::new(&store, spec, 3).unwrap();
        let (mut apart, mut others, mut pairs) = (0, 0, 0);
        for index in 0..plan.micro_batches() {
            let mut records = plan.records(0, index).unwrap().records;
            records.retain(|&record| store.lengths(record).unwrap().1 > MOST as usize);
            for pair in records.windows(2).filter(|pair| pair[0] != pair[1]) {
                apart += pair[0].abs_diff(pair[1]);
                others += (pair[0] + pair[1]) % 2;
                pairs += 1;
            }
        }
        assert!(pairs > 4096);
        // Two places that have nothing to do with each other are a third of all apart; sources take turns.
        let mean = apart as f64 / f64::from(pairs) / RECORDS as f64;
        assert!((0.32..0.35).contains(&mean), "{mean} of the store apart");
        let share = others as f64 / f64::from(pairs);
        assert!((0.47..0.53).contains(&share), "{share} are of two sources");
    }
}

/// Another arrangement for the same specification needs another `PLAN_VERSION`, and new names here.
#[test]
fn a_plan_is_what_its_version_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 1200, 1000);
    let names = KINDS.map(|kind| {
        let mut spec = spec_of(kind, 8, 2);
        (spec.layout.max_input_length, spec.layout.max_target_length) = (24, 300);
        spec.weights = [(0, 1.5)].into();
        let plan = Plan::new(&store, spec, 5).unwrap();
        let mut all = Vec::new();
        for index in 0..plan.micro_batches() {
            let group = plan.records(1, index).unwrap();
            all.extend(
                group
                    .records
                    .iter()
                    .flat_map(|&record| (record as u64).to_le_bytes()),
            );
            all.push(group.rows() as u8);
        }
        Fingerprint::of(&all).to_string()
    });
    let expected = [
        "b3:bca8aa07541444f66ba92f77018a4037",
        "b3:227fd790d951c231b004fa54ea87ee2c",
        "b3:a54924159d2922ac62a64333061cc908",
    ];
    assert_eq!((PLAN_VERSION, names), (2, expected.map(String::from)));
}

/// Many make the same plan at the same time, over one directory: each gets it whole, and one file is kept.
#[test]
fn plans_that_are_made_at_once_are_equal() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 500, 1000);
    for turn in 0..20 {
        let spec = spec_of(KINDS[1 + turn % 2], 4 + turn as u32, 1);
        let plans: Vec<Plan> = std::thread::scope(|scope| {
            let make = || scope.spawn(|| Plan::new(&store, spec.clone(), 3).unwrap());
            let threads: Vec<_> = (0..8).map(|_| make()).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let epoch = |plan: &Plan| -> Vec<_> {
            let batches = 0..plan.micro_batches();
            batches
                .map(|index| plan.records(1, index).unwrap())
                .collect()
        };
        assert!(plans.iter().all(|plan| epoch(plan) == epoch(&plans[0])));
        let kept = std::fs::read_dir(store.path().join("views"))
            .unwrap()
            .count();
        assert_eq!(kept, turn + 1);
    }
}
