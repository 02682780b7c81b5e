//! How a record becomes a row: its special tokens, where it is cut, and which of its ids are learned.
//!
//! A store keeps bare ids, uncut. The layout belongs to the plan, so that changing it tokenizes nothing anew.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::TokenStore;

/// For which kind of model rows are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Encoder and decoder: the prompt is the input, the target is the labels.
    Seq2seq,
    /// Decoder only: prompt and target are one sequence.
    Causal,
}

impl std::str::FromStr for Model {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "seq2seq" => Ok(Model::Seq2seq),
            "causal" => Ok(Model::Causal),
            other => Err(Error::Argument {
                name: "layout",
                reason: format!("`{other}` is none of `seq2seq`, `causal`"),
            }),
        }
    }
}

/// How records become rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// For which kind of model.
    pub model: Model,
    /// Ids of the prompt's part at most: with its end-of-text token (seq2seq), or with begin-of-text token and
    /// separator (causal).
    pub max_input_length: u32,
    /// Ids of the target's part at most, its end-of-text token included.
    pub max_target_length: u32,
    /// Causal: begins each sequence.
    pub bos_id: Option<u32>,
    /// Causal: stands between prompt and target.
    pub separator_ids: Vec<u32>,
    /// Causal: the prompt is learned too, all but the first id of a sequence.
    pub loss_on_prompt: bool,
    /// Ends input and labels, or the sequence.
    pub eos_id: u32,
    /// Fills the rows of the inputs.
    pub pad_id: u32,
}

/// How many ids a record has in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lengths {
    /// The prompt's part.
    pub prompt: usize,
    /// The target's part.
    pub target: usize,
}

impl Layout {
    /// # Errors
    /// [`Error::Argument`] names the option that is out of range.
    pub fn check(&self) -> Result<()> {
        let causal = self.model == Model::Causal;
        let specials = self.separator_ids.len() + usize::from(self.bos_id.is_some());
        let bad = |name, reason: String| Err(Error::Argument { name, reason });
        for (name, used) in [
            ("separator_ids", !self.separator_ids.is_empty()),
            ("bos_id", self.bos_id.is_some()),
            ("loss_on", self.loss_on_prompt),
        ] {
            if used && !causal {
                return bad(name, "it is for `layout=causal` only".into());
            }
        }
        for (name, length, least) in [
            ("max_input_length", self.max_input_length, 2.max(specials)),
            ("max_target_length", self.max_target_length, 2),
        ] {
            if (length as usize) < least {
                return bad(name, format!("{length} is below {least}"));
            }
        }
        Ok(())
    }

    /// What the ids around a prompt take, and the part's limit.
    fn prompt_specials(&self) -> usize {
        match self.model {
            Model::Seq2seq => 1,
            Model::Causal => self.separator_ids.len() + usize::from(self.bos_id.is_some()),
        }
    }

    /// The lengths of a record's parts in a row: cut, with their special tokens.
    ///
    /// # Errors
    /// [`Error::Argument`] past the store's end.
    pub fn lengths(&self, store: &TokenStore, record: usize) -> Result<Lengths> {
        store
            .lengths(record)
            .map(|(prompt, target)| self.cut(prompt, target))
    }

    /// Likewise from the numbers of stored ids.
    pub fn cut(&self, prompt: usize, target: usize) -> Lengths {
        Lengths {
            prompt: (prompt + self.prompt_specials()).min(self.max_input_length as usize),
            target: (target + 1).min(self.max_target_length as usize),
        }
    }

    /// How long a record is in the input and in the labels; the two sides of what a plan groups by. A causal
    /// sequence has one side only.
    pub fn sides(&self, lengths: Lengths) -> [usize; 2] {
        match self.model {
            Model::Seq2seq => [lengths.prompt, lengths.target],
            Model::Causal => [lengths.prompt + lengths.target, 0],
        }
    }

    /// The sides in the order in which packing looks at them, and back: a causal sequence counts as a target
    /// without an input.
    pub fn packed_sides(&self, [a, b]: [u32; 2]) -> [u32; 2] {
        match self.model {
            Model::Seq2seq => [a, b],
            Model::Causal => [b, a],
        }
    }

    /// The sides of the longest record that there can be.
    pub fn longest_sides(&self) -> [usize; 2] {
        self.sides(Lengths {
            prompt: self.max_input_length as usize,
            target: self.max_target_length as usize,
        })
    }

    /// How many of a record's labels count.
    pub fn learned(&self, lengths: Lengths) -> usize {
        match self.model {
            Model::Seq2seq => lengths.target,
            Model::Causal if self.loss_on_prompt => {
                (lengths.prompt + lengths.target).saturating_sub(1)
            }
            // The first id of a sequence has nothing before it that could foretell it.
            Model::Causal => lengths.target - usize::from(lengths.prompt == 0),
        }
    }
}
