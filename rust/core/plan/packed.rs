//! The plan `packed`: rows that hold several records each.
//!
//! A template says which classes of lengths a pack holds and how many records of each; it is used many
//! times. A pack's records are draws of those classes, so every epoch has other pack-mates at the same fill.

use serde::{Deserialize, Serialize};

use crate::plan::draws::Draw;
use crate::plan::templates::Template;

/// All packs of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packs {
    templates: Vec<Placed>,
}

/// A template and where its packs and its draws begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Placed {
    first_pack: u64,
    uses: u64,
    /// Class, records of it in a pack, and the first of its draws that this template takes.
    parts: Vec<(u32, u32, u64)>,
}

impl Packs {
    /// Deals the draws of `classes` classes to the templates in their order.
    pub fn new(templates: &[Template], classes: usize) -> Self {
        let mut next = vec![0; classes];
        let mut first_pack = 0;
        let place = |template: &Template| {
            let part = |&(class, records): &(u32, u32)| {
                let first = next[class as usize];
                next[class as usize] += u64::from(records) * template.uses;
                (class, records, first)
            };
            let placed = Placed {
                first_pack,
                uses: template.uses,
                parts: template.cells.iter().map(part).collect(),
            };
            first_pack += template.uses;
            placed
        };
        Packs {
            templates: templates.iter().map(place).collect(),
        }
    }

    /// How many packs an epoch has.
    pub fn len(&self) -> u64 {
        self.templates
            .last()
            .map_or(0, |last| last.first_pack + last.uses)
    }

    /// The draws of a pack: the first of each class, and how many. O(log templates).
    pub fn parts(&self, pack: u64) -> impl Iterator<Item = (Draw, u64)> {
        let place = self
            .templates
            .partition_point(|template| template.first_pack <= pack)
            - 1;
        let template = &self.templates[place];
        let turn = pack - template.first_pack;
        template.parts.iter().map(move |&(class, records, first)| {
            let records = u64::from(records);
            (
                Draw {
                    class: class as usize,
                    place: first + turn * records,
                },
                records,
            )
        })
    }

    /// The pack that holds a draw. O(templates).
    pub fn pack_of(&self, draw: Draw) -> Option<u64> {
        self.templates.iter().find_map(|template| {
            template.parts.iter().find_map(|&(class, records, first)| {
                let turn = draw.place.checked_sub(first)? / u64::from(records);
                (class as usize == draw.class && turn < template.uses)
                    .then(|| template.first_pack + turn)
            })
        })
    }
}
