use crate::plan::templates::Cell;
pub fn classes(pairs: &[(u32, u32, u64)], _records: u64) -> (Vec<Cell>, Vec<u32>) {
    (
        pairs
            .iter()
            .map(|p| Cell {
                input: p.0,
                target: p.1,
                count: p.2,
            })
            .collect(),
        (0..pairs.len() as u32).collect(),
    )
}
