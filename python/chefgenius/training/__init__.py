"""From losses to a trained model, and back from a checkpoint to the bit.

1. `session` and the command `train` have `build` put a run together, the `built` one checked before it
   starts.
2. `trainer` is the loop. `step` computes a gradient from micro-batches, cut in `pieces` where memory ends
   and shared by `sharing`; `optim`, `schedule`, `scaler` and `ema` make new weights of it.
3. `memory` and `boundary` are what the loop remembers between steps, `checkpoint` saves it through
   `tensors`, and `loading` puts it back. `dataset` prepares both sides of the split, `metrics` writes the
   logs.
4. `ranks` is how the processes of a run meet; `early_stopping` may end it; `explain` tells what a start
   would do.
"""
