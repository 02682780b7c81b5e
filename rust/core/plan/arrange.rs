//! The records of a plan, lined up by classes of lengths.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::layout::Model;
use crate::plan::blocks;
use crate::plan::bucketed::{self, LineClass, Sizes};
use crate::plan::capacity;
use crate::plan::cells::{self, Fineness, Pair};
use crate::plan::draws::{Class, Deck, Quotas, Stratum};
use crate::plan::kept::{self, Kept};
use crate::plan::packed::Packs;
use crate::plan::tables::{Members, Tables};
use crate::plan::templates::{self, Capacity};
use crate::plan::{PlanKind, PlanSpec};
use crate::store::TokenStore;
use crate::view;

/// Members and tables.
pub struct Arrangement {
    pub members: Members,
    pub tables: Tables,
}

/// Source, members and draws of one source in a class.
type Share = (u32, u64, u64);
/// A class on the line: its records, and what each source has of them.
type Laid = (usize, Vec<Share>);

/// What the arranging looks at: one entry a record of the view.
struct Seen {
    records: Vec<u32>,
    /// Input and target length; empty where the plan does not look at them.
    sides: Vec<[u32; 2]>,
    /// Empty without weights.
    sources: Vec<u32>,
}

impl Arrangement {
    /// Arranges the records that the plan's view leaves. One pass over the records, and sorting by counting.
    ///
    /// # Errors
    /// [`Error::Argument`] where no record is left.
    pub fn build(store: &TokenStore, spec: &PlanSpec) -> Result<Self> {
        if spec.kind == PlanKind::Fixed
            && spec.view.is_whole()
            && spec.weights.is_empty()
            && !store.is_empty()
        {
            let all = store.len() as u64;
            let stratum = Stratum {
                source: 0,
                first_member: 0,
                members: all,
                draws: all,
            };
            let deck = Deck {
                classes: vec![Class {
                    first_draw: 0,
                    strata: vec![stratum],
                }],
            };
            return Ok(Arrangement {
                members: Members::All(store.len()),
                tables: Tables {
                    deck,
                    ..Tables::default()
                },
            });
        }
        let seen = look(store, spec)?;
        let arranged = match spec.kind {
            PlanKind::Fixed => fixed(seen, spec),
            PlanKind::Bucketed => bucketed(seen, spec),
            PlanKind::Packed => packed(seen, spec),
        };
        if arranged.tables.deck.draws() == 0 {
            return Err(Error::Argument {
                name: "weights",
                reason: "they leave no record in an epoch".into(),
            });
        }
        Ok(arranged)
    }

    /// As it was kept.
    pub fn from_kept(store: &TokenStore, kept: Kept<Tables>) -> Self {
        let members = match kept.members.is_empty() {
            true => Members::All(store.len()),
            false => Members::Some(kept.members),
        };
        Arrangement {
            members,
            tables: kept.tables,
        }
    }

    /// Keeps it beside the store.
    pub fn keep(&self, store: &TokenStore, plan: &Fingerprint, spec: String) -> Result<()> {
        let members = match &self.members {
            Members::All(_) => Vec::new(),
            Members::Some(records) => records.clone(),
        };
        kept::write(
            store,
            plan,
            &Kept {
                spec,
                members,
                tables: self.tables.clone(),
            },
        )
    }

    /// The member that a record is; `None` where the plan does not hold it. O(classes log members).
    pub fn member_of(&self, record: usize) -> Option<u64> {
        let records = match &self.members {
            Members::All(all) => return (record < *all).then_some(record as u64),
            Members::Some(records) => records,
        };
        let record = u32::try_from(record).ok()?;
        self.tables
            .deck
            .classes
            .iter()
            .flat_map(|class| &class.strata)
            .find_map(|stratum| {
                let begin = stratum.first_member as usize;
                let part = &records[begin..begin + stratum.members as usize];
                let place = part.binary_search(&record).ok()?;
                Some(stratum.first_member + place as u64)
            })
    }
}

/// The records of the view without those of weight 0, and what the plan looks at.
fn look(store: &TokenStore, spec: &PlanSpec) -> Result<Seen> {
    let mut records = view::records(store, &spec.view)?;
    let mut sources = Vec::new();
    if !spec.weights.is_empty() {
        let mut all = Vec::with_capacity(store.len());
        store.for_each_info(|_, info| all.push(info.source))?;
        records.retain(|&record| weight(&spec.weights, all[record as usize]) > 0.0);
        sources = records.iter().map(|&record| all[record as usize]).collect();
    }
    let mut sides = Vec::new();
    if spec.kind != PlanKind::Fixed {
        sides.reserve(records.len());
        let mut wanted = records.iter().copied().peekable();
        store.for_each_lengths(|record, prompt, target| {
            if wanted.next_if_eq(&(record as u32)).is_some() {
                let sides_of = spec.layout.sides(spec.layout.cut(prompt, target));
                sides.push(sides_of.map(|side| side as u32));
            }
        })?;
    }
    if !sides.is_empty() && !sources.is_empty() {
        blocks::coarsen(&mut sides, &sources, &spec.weights);
    }
    Ok(Seen {
        records,
        sides,
        sources,
    })
}

fn weight(weights: &BTreeMap<u32, f64>, source: u32) -> f64 {
    weights.get(&source).copied().unwrap_or(1.0)
}

impl Seen {
    fn source(&self, position: u32) -> u32 {
        self.sources.get(position as usize).copied().unwrap_or(0)
    }

    /// Lines up positions by source and record within each class, and lays out the classes' strata.
    fn arrange(&self, mut line: Vec<u32>, classes: &[Laid]) -> (Members, Deck) {
        let mut deck = Deck::default();
        let (mut first_member, mut first_draw) = (0, 0);
        for (records, strata) in classes {
            let begin = first_member as usize;
            // Positions ascend with records.
            match self.sources.is_empty() {
                true => line[begin..begin + records].sort_unstable(),
                false => {
                    line[begin..begin + records].sort_unstable_by_key(|&p| (self.source(p), p))
                }
            }
            let mut class = Class {
                first_draw,
                strata: Vec::with_capacity(strata.len()),
            };
            for &(source, members, draws) in strata {
                class.strata.push(Stratum {
                    source,
                    first_member,
                    members,
                    draws,
                });
                first_member += members;
                first_draw += draws;
            }
            deck.classes.push(class);
        }
        for position in &mut line {
            *position = self.records[*position as usize];
        }
        (Members::Some(line), deck)
    }

    fn by_source(&self, positions: &[u32]) -> Vec<(u32, u64)> {
        if self.sources.is_empty() {
            return vec![(0, positions.len() as u64)];
        }
        let mut counts = BTreeMap::new();
        for &position in positions {
            *counts.entry(self.source(position)).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }
}

fn strata(members: &[(u32, u64)], quotas: &mut Quotas<'_>) -> Vec<Share> {
    let draws = quotas.draws(members);
    members
        .iter()
        .zip(draws)
        .map(|(&(source, n), draws)| (source, n, draws))
        .collect()
}

fn fixed(seen: Seen, spec: &PlanSpec) -> Arrangement {
    let line: Vec<u32> = (0..seen.records.len() as u32).collect();
    let strata = strata(&seen.by_source(&line), &mut Quotas::new(&spec.weights));
    let (members, deck) = seen.arrange(line, &[(seen.records.len(), strata)]);
    Arrangement {
        members,
        tables: Tables {
            deck,
            ..Tables::default()
        },
    }
}

fn bucketed(seen: Seen, spec: &PlanSpec) -> Arrangement {
    let weight = |position: u32| weight(&spec.weights, seen.source(position));
    let all = || 0..seen.records.len() as u32;
    let draws: f64 = all().map(weight).sum();
    let tokens: f64 = all()
        .map(|p| weight(p) * f64::from(seen.sides[p as usize][0] + seen.sides[p as usize][1]))
        .sum();
    let sizes = Sizes::new(spec.limit, draws.round() as u64, tokens.round() as u64);
    let sides = |position: u32| seen.sides[position as usize];
    let is_blocked = |position: u32| blocks::is_blocked(weight(position));
    // Records of one kind may stand for each other in a class: those of one weight, or of one source in blocks.
    let kind = |position: u32| {
        let source = is_blocked(position).then(|| seen.source(position));
        (weight(position).to_bits(), source)
    };
    let alike = |a: u32, b: u32| sides(a) == sides(b) && kind(a) == kind(b);
    // Sorting by length keeps this order: those that are alike stand together.
    let mut positions: Vec<u32> = all().collect();
    positions.sort_by_key(|&position| kind(position));
    let mut line = bucketed::snake(positions, &seen.sides, sizes.draws, alike);
    let mut quotas = Quotas::new(&spec.weights);
    let classes = bucketed::classes(&mut line, &seen.sides, weight, alike, is_blocked, sizes);
    let mut begin = 0;
    let laid: Vec<Laid> = classes
        .iter()
        .map(|class: &LineClass| {
            let part = &line[begin..begin + class.records];
            begin += class.records;
            (class.records, strata(&seen.by_source(part), &mut quotas))
        })
        .collect();
    let draws_of = |strata: &[Share]| strata.iter().map(|s| s.2).sum();
    let cut: Vec<(u64, [u64; 2])> = classes
        .iter()
        .zip(&laid)
        .map(|(class, (_, strata))| (draws_of(strata), class.edges))
        .collect();
    let runs = bucketed::runs(&cut, spec.limit);
    let (members, deck) = seen.arrange(line, &laid);
    Arrangement {
        members,
        tables: Tables {
            deck,
            runs,
            ..Tables::default()
        },
    }
}

fn packed(seen: Seen, spec: &PlanSpec) -> Arrangement {
    let all: Vec<u32> = (0..seen.records.len() as u32).collect();
    let by_lengths = bucketed::sorted_by(&seen.sides, 0, bucketed::sorted_by(&seen.sides, 1, all));
    let alike = by_lengths.chunk_by(|&a, &b| seen.sides[a as usize] == seen.sides[b as usize]);
    let pairs: Vec<Pair> = alike
        .clone()
        .map(|part| {
            let [input, target] = spec.layout.packed_sides(seen.sides[part[0] as usize]);
            Pair {
                input,
                target,
                records: part.len() as u64,
            }
        })
        .collect();
    let causal = spec.layout.model == Model::Causal;
    let fineness = Fineness::of(seen.records.len() as u64, causal);
    let (mut cells, cell_of_pair) = cells::classes(&pairs, fineness);
    let mut by_cell: Vec<Vec<&[u32]>> = vec![Vec::new(); cells.len()];
    for (part, &cell) in alike.zip(&cell_of_pair) {
        by_cell[cell as usize].push(part);
    }
    let mut quotas = Quotas::new(&spec.weights);
    let (mut line, mut laid) = (Vec::with_capacity(by_lengths.len()), Vec::new());
    for (cell, parts) in cells.iter_mut().zip(&by_cell) {
        let begin = line.len();
        parts.iter().for_each(|part| line.extend_from_slice(part));
        let strata = strata(&seen.by_source(&line[begin..]), &mut quotas);
        cell.count = strata.iter().map(|stratum| stratum.2).sum();
        laid.push((line.len() - begin, strata));
    }
    let longest = cells
        .iter()
        .fold(Capacity::default(), |longest, cell| Capacity {
            input: longest.input.max(cell.input),
            target: longest.target.max(cell.target),
        });
    let capacity = capacity::choose_capacity(&cells, longest);
    let packs = Packs::new(&templates::best_fit(&cells, capacity), cells.len());
    let (members, deck) = seen.arrange(line, &laid);
    let capacity = Some(spec.layout.packed_sides([capacity.input, capacity.target]));
    Arrangement {
        members,
        tables: Tables {
            deck,
            packs,
            capacity,
            ..Tables::default()
        },
    }
}
