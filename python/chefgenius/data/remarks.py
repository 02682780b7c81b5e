"""What a person should know of the data before the first step: recipes that are cut, too few held out.

The lengths come from the store's offsets, 16 bytes a record; no text is read. Nothing here imports torch.
"""

import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from chefgenius.console.screen import count
from chefgenius.data.store import Ids, TokenStore
from chefgenius.data.windows import Windows

FEW = 20
"""records held out, with fewer of which a validation loss tells little"""


def lengths(store: TokenStore) -> tuple[Ids, Ids]:
    """How many ids the prompt and the target of every record have (int64 arrays)."""
    found: list[NDArray[np.int64]] = []
    for path in sorted(store.path.glob("shard-*.safetensors")):
        with safe_open(path, "numpy") as shard:
            found.append(np.diff(shard.get_tensor("offsets").astype(np.int64)))
    both = np.concatenate(found)
    return both[::2], both[1::2]


def cut(train: Windows) -> Iterator[str]:
    """A line for each side that some recipes to train on are too long for; none for none."""
    layout = json.loads(train.specification)["layout"]
    around = 1
    if layout["model"] == "causal":
        around = (layout["bos_id"] is not None) + len(layout["separator_ids"])
    records = train.view_record_ids(train.records)
    sides = zip(("input", "target"), lengths(train.store), (around, 1), strict=True)
    for side, bare, marks in sides:
        key, whole = f"max_{side}_length", bare[records] + marks
        most = layout[key]
        if over := int((whole > most).sum()):
            what = "prompts" if side == "input" else "recipes"
            yield (
                f"{over:,} of {len(whole):,} {what} {'is' if over == 1 else 'are'} cut at "
                f"`data.{key}={most}`, the longest has {count(int(whole.max()), 'token')}: "
                "raise it to train on whole ones"
            )


def few(held_out: int, records: int) -> Iterator[str]:
    """A line where so few of the records are held out that figures on them tell little."""
    if held_out < FEW:
        yield (
            f"warning: {'only 1 is' if held_out == 1 else f'only {held_out} are'} held out of "
            f"{count(records, 'recipe')}, and figures on so few tell little: raise "
            "`data.validation_fraction`, or name files in `data.validation_sources`"
        )
