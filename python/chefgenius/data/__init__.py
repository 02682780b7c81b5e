"""From a store of recipes to the batch of any step; the work is done in Rust.

1. `store` prepares and opens stores of token ids, `recipe` is their text form, and `outcome` and `summary`
   tell what became of every record.
2. `plan` checks how they are ordered, `windows` says which records stand where, and `loader` is the
   iterator that gives a `batch`, its memory `pinned` for a GPU.
3. `feed` makes batches without end of it, without those left out. `course` is a run's way through several
   plans, `reentry` where a resume goes on in it, `shelf` has the stores of all of it.
4. `rows`, `layout`, `inspection` and `remarks` show what is fed of a record.
"""
