//! Which record a draw of an epoch is, and which draws a record has.
//!
//! A [`Deck`] holds the plan's members (records, by class and source) and deals them: in every epoch each
//! class gives the same number of draws. Draw `d` of a class is place `d` of the class's permutation of the
//! epoch. Without weights a class has as many draws as members and each is drawn once. A source of weight w
//! has c = w n draws of its n members in a class: draw k of an epoch is draw t = epoch c + k of all, and that is
//! member `perm(t div n)(t mod n)`, so that after any number of draws all members were drawn equally often, or
//! once more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::orders::{Orders, Tag};

/// The members of one source in one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stratum {
    /// 0 without weights: then a class has one stratum.
    pub source: u32,
    /// The first of them among all members.
    pub first_member: u64,
    /// How many there are.
    pub members: u64,
    /// How many draws they have in an epoch.
    pub draws: u64,
}

/// Records of like lengths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its draws begin here among all draws of an epoch.
    pub first_draw: u64,
    /// Its members by source.
    pub strata: Vec<Stratum>,
}

impl Class {
    /// How many draws it has in an epoch.
    pub fn draws(&self) -> u64 {
        self.strata.iter().map(|stratum| stratum.draws).sum()
    }
}

/// All classes of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deck {
    /// In the order of their draws.
    pub classes: Vec<Class>,
}

/// One draw: the class and its place in the class's order of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The class.
    pub class: usize,
    /// From 0 to the class's draws.
    pub place: u64,
}

impl Deck {
    /// Draws of an epoch, over all classes.
    pub fn draws(&self) -> u64 {
        self.classes
            .last()
            .map_or(0, |class| class.first_draw + class.draws())
    }

    /// The draw at `place` of all draws of an epoch. O(log classes).
    pub fn find(&self, place: u64) -> Draw {
        let class = self
            .classes
            .partition_point(|class| class.first_draw <= place)
            - 1;
        Draw {
            class,
            place: place - self.classes[class].first_draw,
        }
    }

    /// Calls `each` with the members of `count` draws of one class from `from` on.
    pub fn members(
        &self,
        orders: &Orders,
        epoch: u64,
        from: Draw,
        count: u64,
        mut each: impl FnMut(u64),
    ) {
        let class = &self.classes[from.class];
        let order = orders.get(epoch, Tag::Class(from.class), class.draws());
        let mut places = [0; 64];
        let mut done = 0;
        while done < count {
            let part = &mut places[..(count - done).min(64) as usize];
            order.fill(from.place + done, part);
            done += part.len() as u64;
            for &draw in &*part {
                each(class.member(orders, from.class, epoch, draw));
            }
        }
    }

    /// The draws of the member numbered `member` in an epoch; none where its class gives it none.
    pub fn draws_of(&self, orders: &Orders, epoch: u64, member: u64) -> Vec<Draw> {
        let after = |class: &Class| {
            class
                .strata
                .iter()
                .all(|s| s.first_member + s.members <= member)
        };
        let number = self.classes.partition_point(after);
        let class = &self.classes[number];
        let order = orders.get(epoch, Tag::Class(number), class.draws());
        let mut first = 0;
        for stratum in &class.strata {
            if member < stratum.first_member + stratum.members {
                let draws = stratum.draws_of(orders, number, epoch, member - stratum.first_member);
                let place = |k| Draw {
                    class: number,
                    place: order.place_of(first + k),
                };
                return draws.into_iter().map(place).collect();
            }
            first += stratum.draws;
        }
        Vec::new()
    }
}

impl Class {
    /// The member behind draw `draw`, before the class's order.
    fn member(&self, orders: &Orders, number: usize, epoch: u64, draw: u64) -> u64 {
        let mut rest = draw;
        for stratum in &self.strata {
            if rest < stratum.draws {
                return stratum.first_member + stratum.member(orders, number, epoch, rest);
            }
            rest -= stratum.draws;
        }
        unreachable!("a draw below the class's draws lies in one of its strata")
    }
}

impl Stratum {
    fn member(&self, orders: &Orders, class: usize, epoch: u64, draw: u64) -> u64 {
        if self.draws == self.members {
            return draw;
        }
        let t = u128::from(epoch) * u128::from(self.draws) + u128::from(draw);
        let (pass, place) = self.pass(t);
        orders
            .get(
                pass,
                Tag::Source {
                    class,
                    source: self.source,
                },
                self.members,
            )
            .at(place)
    }

    fn pass(&self, t: u128) -> (u64, u64) {
        let n = u128::from(self.members);
        ((t / n) as u64, (t % n) as u64)
    }

    /// The draws of an epoch that give member `member` of this stratum, ascending.
    fn draws_of(&self, orders: &Orders, class: usize, epoch: u64, member: u64) -> Vec<u64> {
        if self.draws == self.members {
            return vec![member];
        }
        if self.draws == 0 {
            return Vec::new();
        }
        let first = u128::from(epoch) * u128::from(self.draws);
        let end = first + u128::from(self.draws);
        let n = u128::from(self.members);
        let draw = |pass: u128| {
            let order = orders.get(
                pass as u64,
                Tag::Source {
                    class,
                    source: self.source,
                },
                self.members,
            );
            let t = pass * n + u128::from(order.place_of(member));
            (first..end).contains(&t).then(|| (t - first) as u64)
        };
        (first / n..=(end - 1) / n).filter_map(draw).collect()
    }
}

/// Draws by source, from class to class, so that a source's draws of all classes so far are its weight times
/// its members, rounded: what one class owes is made good by the next.
pub struct Quotas<'a> {
    weights: &'a BTreeMap<u32, f64>,
    /// What each source is owed and has not got.
    owed: BTreeMap<u32, f64>,
}

impl<'a> Quotas<'a> {
    /// Sources that `weights` does not name have weight 1.
    pub fn new(weights: &'a BTreeMap<u32, f64>) -> Self {
        Quotas {
            weights,
            owed: BTreeMap::new(),
        }
    }

    /// The draws of a class with these members by source (ascending): by largest remainder. They sum up to
    /// what all are owed, rounded.
    pub fn draws(&mut self, members: &[(u32, u64)]) -> Vec<u64> {
        let mut shares: Vec<f64> = Vec::with_capacity(members.len());
        for &(source, count) in members {
            let weight = self.weights.get(&source).copied().unwrap_or(1.0);
            let owed = self.owed.entry(source).or_default();
            *owed += weight * count as f64;
            shares.push(owed.max(0.0));
        }
        // Also what sources are owed that this class does not have: no later one may have them either.
        let total = self.owed.values().sum::<f64>().round().max(0.0) as u64;
        let mut draws: Vec<u64> = shares.iter().map(|share| share.floor() as u64).collect();
        let has_remainder = |&place: &usize| shares[place].fract() > 1e-9;
        let mut by_remainder: Vec<usize> = (0..shares.len()).filter(has_remainder).collect();
        by_remainder.sort_by(|&a, &b| {
            shares[b]
                .fract()
                .total_cmp(&shares[a].fract())
                .then(a.cmp(&b))
        });
        let missing = total.saturating_sub(draws.iter().sum());
        for &place in by_remainder.iter().take(missing as usize) {
            draws[place] += 1;
        }
        for (&(source, _), &given) in members.iter().zip(&draws) {
            *self.owed.entry(source).or_default() -= given as f64;
        }
        draws
    }
}
