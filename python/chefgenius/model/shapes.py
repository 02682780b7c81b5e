"""Few shapes of batches in place of many, for a program that is compiled for one shape at a time.

The shape that a batch is padded to follows from the batch and from the settings of the plan, never from what
came before, so a run that is resumed computes with the same programs. Nothing that is added counts: it has
no label, and no place that counts sees it.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional

from chefgenius.data.loader import RecipeLoader
from chefgenius.data.plan import LayoutKind
from chefgenius.model.inputs import IGNORED
from chefgenius.settings.config import Config

EDGES = 8
"""widths of one side at most"""
MULTIPLE = 8
"""widths are whole multiples of this, which matrix units like"""


@dataclass(frozen=True)
class Shapes:
    """What batches are padded to: a number of rows, and one of a few widths on each side."""

    rows: int
    inputs: tuple[int, ...]
    """widths of the inputs, ascending"""
    targets: tuple[int, ...]
    """widths of the labels; none where they are as wide as the inputs"""
    pad_token_id: int

    def __len__(self) -> int:
        """How many shapes there are, were every width to meet every other."""
        return len(self.inputs) * max(1, len(self.targets))

    def __str__(self) -> str:
        count = len(self)
        return f"{count} shape{'s' * (count > 1)} of {self.rows} row{'s' * (self.rows > 1)}"

    def of_pieces(self, rows: int | str) -> "Shapes":
        """Those of micro-batches that are cut into pieces of so many rows, or of whole ones (`all`)."""
        return self if isinstance(rows, str) else replace(self, rows=min(self.rows, rows))

    def fit(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch [rows, columns] in one of the shapes; its `cu_seqlens` stay, since no id is added.

        One that is larger than all of them, as an epoch may bring that was begun with another plan, has the
        next multiple of the rows and of `MULTIPLE` columns.
        """
        height = -(-len(batch["labels"]) // self.rows) * self.rows
        return {name: self._fitted(name, tensor, height) for name, tensor in batch.items()}

    def _fitted(self, name: str, tensor: Tensor, height: int) -> Tensor:
        if name.endswith("cu_seqlens"):
            return tensor
        target = bool(self.targets) and (name == "labels" or name.startswith("decoder_"))
        rows, width = tensor.shape
        columns = _edge(self.targets if target else self.inputs, width)
        fill = {"labels": IGNORED, "input_ids": self.pad_token_id}.get(name, 0)
        fitted = functional.pad(tensor, (0, columns - width, 0, height - rows), value=fill)
        if name == "attention_mask":
            fitted[rows:, 0] = 1  # what sees nothing at all is no number with some kernels
        return fitted


def eighths(longest: int) -> tuple[int, ...]:
    """Widths at equal distances up to that of the longest row."""
    return tuple(dict.fromkeys(_up(-(-longest * part // EDGES)) for part in range(1, EDGES + 1)))


def shapes_of(config: Config, layout: LayoutKind, loader: RecipeLoader) -> Shapes:
    """Those of whole micro-batches; one alone where the plan is `packed`, whose rows have one width."""
    settings, columns, pad = config.data, loader.columns, loader.store.pad_token_id
    assert settings.batch_size is not None, "which `Config` sees to"
    rows, longest = settings.batch_size, (settings.max_input_length, settings.max_target_length)
    if columns is not None:
        return Shapes(rows, (_up(columns[0]),), (_up(columns[1]),) if layout == "seq2seq" else (), pad)
    if layout == "seq2seq":
        return Shapes(rows, eighths(longest[0]), eighths(longest[1]), pad)
    return Shapes(rows, eighths(sum(longest)), (), pad)


def _edge(edges: tuple[int, ...], width: int) -> int:
    place = bisect_left(edges, width)
    return edges[place] if place < len(edges) else _up(width)


def _up(width: int) -> int:
    return -(-width // MULTIPLE) * MULTIPLE
