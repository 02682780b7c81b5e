#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub input: u32,
    pub target: u32,
    pub count: u64,
}
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub input: u32,
    pub target: u32,
}
pub struct Template {
    pub uses: u64,
    pub cells: Vec<(u32, u32)>,
}
pub fn choose_capacity(_cells: &[Cell], longest: Capacity) -> Capacity {
    longest
}
pub fn best_fit(cells: &[Cell], _capacity: Capacity) -> Vec<Template> {
    cells
        .iter()
        .enumerate()
        .map(|(i, c)| Template {
            uses: c.count,
            cells: vec![(i as u32, 1)],
        })
        .collect()
}
