"""How a record becomes a row of one kind of model: for a loader in training, and for a prompt in generation.

An encoder-decoder reads the prompt and writes the target. A causal model has both in one sequence: its
begin-of-text where its tokenizer puts one, prompt, separator, target, end-of-text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chefgenius.data.plan import LayoutKind


@dataclass(frozen=True)
class Layout:
    """The layout of a run; the same ids stand around a prompt in training and in generation."""

    kind: LayoutKind = "seq2seq"
    bos_id: int | None = None
    separator_ids: tuple[int, ...] = ()
    loss_on: Literal["target", "both"] = "target"

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `RecipeLoader`."""
        return {
            "layout": self.kind,
            "bos_id": self.bos_id,
            "separator_ids": self.separator_ids,
            "loss_on": self.loss_on,
        }

    def prompt(self, ids: Sequence[int], longest: int, eos_id: int) -> list[int]:
        """What a model is given of a prompt's stored ids, `longest` ids at most: what it had in training."""
        if self.kind == "seq2seq":
            return [*map(int, ids[: longest - 1]), eos_id]
        begin = [] if self.bos_id is None else [self.bos_id]
        room = longest - len(begin) - len(self.separator_ids)
        return [*begin, *map(int, ids[:room]), *self.separator_ids]

    def batch(
        self, prompts: Sequence[Sequence[int]], pad_id: int
    ) -> tuple[list[list[int]], list[list[int]], int]:
        """Rows of one width and their mask, and where in a row that a model went on with its own text begins.

        A causal model goes on at the end of its row, so padding stands before the prompt.
        """
        width = max(map(len, prompts))
        before = self.kind == "causal"
        ids, mask = [], []
        for prompt in prompts:
            gap = width - len(prompt)
            ids.append([pad_id] * gap * before + [*prompt] + [pad_id] * gap * (not before))
            mask.append([0] * gap * before + [1] * len(prompt) + [0] * gap * (not before))
        return ids, mask, width if before else 0
