"""Runs the code of docs/integrations.md and cuts it off: a tiny T5 notes each batch that it is trained on."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import RecipeLoader, TokenStore
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.settings.config import ModelConfig
from running import MODEL
from samples import load
from torch import Tensor, nn

GUIDE = Path(__file__).parents[2] / "docs" / "integrations.md"
EPOCHS = 2
EPOCH = 12
"""Micro-batches of an epoch of the `store` fixture."""
CUTS = [
    pytest.param(1, (5, 7, 3), marks=pytest.mark.long),
    pytest.param(2, (3, 10, 1, 5), marks=pytest.mark.long),
    (5, (6, 7, 1, 8)),
]
"""Micro-batches of a step, and after how many batches each process dies: within steps, between them, twice in
the same step, and where an epoch ends. 5 does not divide 12: an epoch ends with a short step."""


class Cut(Exception):
    """What ends a process that is cut off."""


class Watch:
    """A T5 that has the same weights whenever it is made; it notes its batches, and dies at batch `cut`."""

    def __init__(self, store: TokenStore, cut: int | None = None, dropout: float = 0.1) -> None:
        vocabulary = Vocabulary(store.vocab_size, store.pad_token_id, store.eos_token_id)
        self.model = build_model(ModelConfig(config={**MODEL, "dropout_rate": dropout}), vocabulary, 1)
        self.model.config.use_cache = False
        self.model.train()
        self.model.register_forward_pre_hook(self._note, with_kwargs=True)
        self.loader: RecipeLoader = load(store)
        self.seen: list[str] = []
        self.cut = cut

    def _note(self, model: nn.Module, args: tuple[Any, ...], batch: dict[str, Any]) -> None:
        if len(self.seen) == self.cut:
            raise Cut
        self.seen.append(name_of(batch))

    def weights(self) -> list[Tensor]:
        return [parameter.detach() for parameter in self.model.parameters()]


Run = Callable[[Watch], object]
"""one process"""


def execute(
    section: str, *blocks: int, without: str | None = None, guide: Path = GUIDE, **names: Any
) -> dict[str, Any]:
    """Run these blocks of Python under `## section`, given these names; the names they leave.

    One line may be left out, to show what it is for.
    """
    text = guide.read_text().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = "".join(found[block] for block in blocks).splitlines()
    if without is not None:
        assert sum(line.strip() == without for line in lines) == 1
        lines = [line for line in lines if line.strip() != without]
    exec(compile("\n".join(lines), f"{guide.name}, {section}", "exec"), names)
    return names


def name_of(batch: Mapping[str, Tensor]) -> str:
    """A digest of what a model sees of a batch."""
    sha = hashlib.sha256()
    for name in ("input_ids", "attention_mask", "labels"):
        sha.update(f"{tuple(batch[name].shape)}".encode())
        sha.update(batch[name].numpy().tobytes())
    return sha.hexdigest()


def names_of_epochs(store: TokenStore) -> list[str]:
    """What a run must see, from the loader alone."""
    loader = load(store)
    names = [name_of(batch) for _ in range(EPOCHS) for batch in loader]
    assert len(set(names)) == EPOCHS * EPOCH
    return names


def boundary(batches: int, window: int) -> int:
    """The batches that belong to finished optimizer steps after so many; steps never cross an epoch."""
    return batches // EPOCH * EPOCH + batches % EPOCH // window * window


def survive(store: TokenStore, run: Run, window: int, cuts: Iterable[int]) -> list[Tensor]:
    """The weights after a run whose processes die after so many batches each.

    Every process must see the batches from the last finished step on, no other and none twice.
    """
    expected, at = names_of_epochs(store), 0
    for cut in (*cuts, None):
        watch = Watch(store, cut)
        # The draws of dropout are those of the checkpoint, not of the new process.
        torch.manual_seed(3 if at == 0 else 100 + at)
        if cut is None:
            run(watch)
            assert watch.seen == expected[at:]
        else:
            with pytest.raises(Cut):
                run(watch)
            assert watch.seen == expected[at : at + cut]
            at = boundary(at + cut, window)
    return watch.weights()


def assert_survives(store: TokenStore, whole: Run, run: Run, window: int, cuts: Iterable[int]) -> None:
    """`run` with cuts gives the weights of `whole` without, bit for bit; and these are not the first ones."""
    expected = survive(store, whole, window, ())
    weights = survive(store, run, window, cuts)
    for one, other, first in zip(weights, expected, Watch(store).weights(), strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, first)


def new_process() -> None:
    """Accelerate, which the Trainer uses too, keeps one state for each process."""
    from accelerate.state import AcceleratorState  # type: ignore[import-untyped]

    AcceleratorState._reset_state(reset_partial_state=True)
