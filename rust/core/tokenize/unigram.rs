//! The best way to cut a word into scored pieces: the library's own, sum by sum and tie by tie.
//!
//! 1. [`Unigram::new`] lays the pieces out as a double-array trie.
//! 2. [`Unigram::cut`] goes over the word once, from the left: at each character, the pieces that begin there, from the
//!    shortest, then the unknown piece if none of them is that one character. A later way to the same place has to be
//!    better to be taken. Scores are added as 64-bit floats, left to right, as the library adds them.
//! 3. Unknown pieces that stand side by side become one, which is looked up once more.

/// No piece, no node, not reached.
const NONE: u32 = u32::MAX;
/// The parent of the root, which is no node's child.
const ROOT: u32 = NONE - 1;
/// What an unknown character costs below the worst piece.
const UNKNOWN_PENALTY: f64 = 10.0;
/// A node with more children than this is laid out in fresh room, since looking for a gap takes long.
const MANY_CHILDREN: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The node that this one is a child of.
    parent: u32,
    /// The child by byte `b` stands at `base ^ b`.
    base: u32,
    /// The piece that ends here.
    id: u32,
}

const FREE: Node = Node {
    parent: NONE,
    base: 0,
    id: NONE,
};

/// The vocabulary of a Unigram model.
pub(super) struct Unigram {
    nodes: Vec<Node>,
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
}

/// The best way to one place of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    score: f64,
    start: u32,
    id: u32,
}

impl Unigram {
    /// Of pieces with their scores, in the order of their ids. Of two equal ones the last counts, as in the library.
    pub(super) fn new(pieces: &[(&str, f64)], unknown: u32) -> Self {
        let scores: Vec<f64> = pieces.iter().map(|(_, score)| *score).collect();
        let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let mut sorted: Vec<(&[u8], u32)> = pieces
            .iter()
            .zip(0..)
            .filter(|((piece, _), _)| !piece.is_empty())
            .map(|((piece, _), id)| (piece.as_bytes(), id))
            .collect();
        sorted.sort_unstable();
        let mut layout = Layout {
            nodes: vec![FREE; 256],
            first_free: 1,
        };
        layout.nodes[0].parent = ROOT;
        layout.children(0, &sorted, 0);
        Unigram {
            nodes: layout.nodes,
            scores,
            unknown,
            unknown_score: lowest - UNKNOWN_PENALTY,
        }
    }

    fn child(&self, node: u32, byte: u8) -> Option<(u32, u32)> {
        let at = self.nodes[node as usize].base ^ u32::from(byte);
        let child = self.nodes.get(at as usize)?;
        (child.parent == node).then_some((at, child.id))
    }

    /// The id of exactly this piece.
    fn id(&self, piece: &[u8]) -> Option<u32> {
        let mut last = (0, NONE);
        for &byte in piece {
            last = self.child(last.0, byte)?;
        }
        (last.1 != NONE).then_some(last.1)
    }

    /// Appends the ids of a word (with the mark of its space, normalised); true where none is the unknown piece.
    /// `best` is room to work in. Costs time in proportion to its bytes and the longest piece.
    pub(super) fn cut(&self, word: &str, best: &mut Vec<Best>, ids: &mut Vec<u32>) -> bool {
        let bytes = word.as_bytes();
        best.clear();
        best.resize(
            bytes.len() + 1,
            Best {
                score: 0.0,
                start: NONE,
                id: 0,
            },
        );
        for (start, character) in word.char_indices() {
            self.pieces_from(bytes, start, character.len_utf8(), best);
        }
        self.way_back(bytes, best, ids)
    }

    fn pieces_from(&self, bytes: &[u8], start: usize, width: usize, best: &mut [Best]) {
        let before = best[start].score;
        let mut offer = |end: usize, score: f64, id: u32| {
            let score = score + before;
            let place = &mut best[end];
            if place.start == NONE || score > place.score {
                *place = Best {
                    score,
                    start: start as u32,
                    id,
                };
            }
        };
        let mut single = false;
        let mut node = 0;
        for (length, &byte) in (1..).zip(&bytes[start..]) {
            let Some((child, id)) = self.child(node, byte) else {
                break;
            };
            if id != NONE {
                offer(start + length, self.scores[id as usize], id);
                single |= length == width;
            }
            node = child;
        }
        if !single {
            offer(start + width, self.unknown_score, self.unknown);
        }
    }

    fn way_back(&self, bytes: &[u8], best: &[Best], ids: &mut Vec<u32>) -> bool {
        let first = ids.len();
        let mut end = bytes.len();
        let mut known = true;
        while end > 0 {
            let Best { start, id, .. } = best[end];
            let mut start = start as usize;
            if id == self.unknown {
                while start > 0 && best[start].id == self.unknown {
                    start = best[start].start as usize;
                }
                let whole = self.id(&bytes[start..end]).unwrap_or(self.unknown);
                known &= whole != self.unknown;
                ids.push(whole);
            } else {
                ids.push(id);
            }
            end = start;
        }
        ids[first..].reverse();
        known
    }
}

/// A double array that is being laid out.
struct Layout {
    nodes: Vec<Node>,
    /// No place before this one is free.
    first_free: usize,
}

impl Layout {
    /// Lays out what lies below a node: the pieces that share its first `depth` bytes, sorted.
    fn children(&mut self, node: u32, pieces: &[(&[u8], u32)], depth: usize) {
        let longer = pieces.partition_point(|(piece, _)| piece.len() == depth);
        if let Some((_, id)) = pieces[..longer].last() {
            self.nodes[node as usize].id = *id;
        }
        let groups: Vec<&[(&[u8], u32)]> = pieces[longer..]
            .chunk_by(|a, b| a.0[depth] == b.0[depth])
            .collect();
        if groups.is_empty() {
            return;
        }
        let labels: Vec<u8> = groups.iter().map(|group| group[0].0[depth]).collect();
        let base = self.base_for(&labels);
        self.nodes[node as usize].base = base;
        for &label in &labels {
            self.nodes[(base ^ u32::from(label)) as usize].parent = node;
        }
        for (group, label) in groups.iter().zip(labels) {
            self.children(base ^ u32::from(label), group, depth + 1);
        }
    }

    /// A base from which the place of each of these bytes is free.
    fn base_for(&mut self, labels: &[u8]) -> u32 {
        while self
            .nodes
            .get(self.first_free)
            .is_some_and(|node| node.parent != NONE)
        {
            self.first_free += 1;
        }
        if labels.len() <= MANY_CHILDREN {
            for at in self.first_free..self.nodes.len() {
                let base = at ^ usize::from(labels[0]);
                let free = |label: &u8| self.nodes[base ^ usize::from(*label)].parent == NONE;
                if labels.iter().all(free) {
                    return base as u32;
                }
            }
        }
        // The array is made of whole blocks of 256, so that `base ^ byte` stays inside.
        let base = self.nodes.len();
        self.nodes.resize(base + 256, FREE);
        base as u32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Model;
    use tokenizers::models::unigram::Unigram as Reference;

    use super::*;

    fn same(pieces: Vec<(String, f64)>, unknown: u32, words: &[String]) {
        let borrowed: Vec<(&str, f64)> = pieces
            .iter()
            .map(|(p, score)| (p.as_str(), *score))
            .collect();
        let own = Unigram::new(&borrowed, unknown);
        let reference = Reference::from(pieces, Some(unknown as usize), false).unwrap();
        let mut best = Vec::new();
        for word in words {
            let mut ids = Vec::new();
            let known = own.cut(word, &mut best, &mut ids);
            let tokens = reference.tokenize(word).unwrap();
            let expected: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            assert_eq!(ids, expected, "{word:?}");
            assert_eq!(known, !ids.contains(&unknown), "{word:?}");
        }
    }

    #[test]
    fn unknown_characters_side_by_side_are_one_piece_which_may_be_a_known_one() {
        let piece = |text: &str, score| (text.to_owned(), score);
        let pieces = vec![
            piece("<unk>", 0.0),
            piece("a", -1.0),
            // Worse than two unknown characters, so that these are taken and then found to be it.
            piece("xy", 100.0),
            piece("é", 200.0),
        ];
        let words = ["xy", "axya", "zz", "azéz", "<unk>", "x<unk>y", ""].map(str::to_owned);
        same(pieces, 0, &words);
        same(vec![piece("<unk>", 50.0), piece("xy", 30.0)], 0, &words);
    }

    proptest! {
        /// Few letters and few scores make ties, pieces that are given twice, and unknown characters.
        #[test]
        fn pieces_are_the_librarys(
            pieces in prop::collection::vec(("[abé▁]{1,5}", -3i8..3), 1..40),
            unknown in 0usize..40,
            words in prop::collection::vec("[abcé▁\u{1F600}]{0,24}", 1..20),
        ) {
            let unknown = unknown % pieces.len();
            let pieces = pieces.into_iter().map(|(piece, score)| (piece, f64::from(score) * 0.1)).collect();
            same(pieces, unknown as u32, &words);
        }
    }
}
