"""A run on disk, without torch: what it remembers, in files that are whole or not there, and how it goes on.

1. `state` holds what a run remembers in named sections; `digest` which records it has seen.
2. `manifest` seals the files of a checkpoint, `disk` makes sure of room, and `rundir` is the directory that
   they appear in; `logbook` and `ledger` are its logs, read while they grow and held against what was
   saved.
3. `world` says which process of a run this is; `signals` ask it to stop, or to save.
4. `descent`, `base` and `differences` tell what a run began from and what is different now; `resume` and
   `decision` find where to go on, and whether one may. `retention` and `pruning` delete.
5. `inventory`, `located`, `bits` and `comparison` answer what stands there, `absence` what does not.
"""
