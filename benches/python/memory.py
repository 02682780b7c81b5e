"""One process that iterates and tells, as JSON, the megabytes that this takes.

    python memory.py STORE OPTIONS EPOCHS

`beyond`: the most anonymous memory while iterating, less what there was with torch and the package imported;
the mapped store is no anonymous memory. `growth`: the end of the last epoch less the end of the first.
`queue`: what 8 batches of the largest size hold.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from chefgenius import TokenStore
from variants import Variant

LOOKS = 16
"""looks at the memory in an epoch"""


def anonymous() -> float:
    """Resident megabytes of this process that belong to no file."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the kernel does not tell anonymous memory")


def main(path: str, options: str, epochs: int) -> None:
    torch.set_num_threads(1)
    torch.zeros(32, 512, dtype=torch.int64).add_(1)
    variant = Variant("", json.loads(options))
    before, most, largest, ends = anonymous(), 0.0, 0, []
    with variant.open(TokenStore.open(path)) as loader:
        every = max(1, len(loader) // LOOKS)
        for _ in range(epochs):
            for number, batch in enumerate(loader):
                largest = max(largest, sum(tensor.nbytes for tensor in batch.values()))
                if number % every == 0:
                    most = max(most, anonymous())
            ends.append(anonymous())
    found = {
        "beyond": max(most, *ends) - before,
        "growth": ends[-1] - ends[0],
        "queue": 8 * largest / 2**20,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
