"""Micro-batches in pieces: how many rows go forward together, when a whole batch does not fit into memory.

1. `cut` parts a delivered batch by rows. Loader and plan never know of it, and the gradient of the step stays
   the same up to the order of floating-point sums.
2. `choose_rows` says how many rows a piece has: as told, as saved, or as `find_rows` finds, which tries the
   batch that `largest_batch` makes of the plan before the first step, and halves it until it fits.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from chefgenius.data.loader import RecipeLoader
from chefgenius.model.generators import isolated
from chefgenius.model.inputs import IGNORED
from chefgenius.model.loss import TokenLoss
from chefgenius.model.shapes import Shapes
from chefgenius.run.differences import saved_count
from chefgenius.run.resume import Origin
from chefgenius.settings.config import Config
from chefgenius.training.optim import state_bytes, trained_parameters

WHOLE: Literal["all"] = "all"
"""in place of a number of rows: micro-batches are not cut"""
FACT = "rows_per_forward"
"""among what the bits of a run depend on"""
Rows = int | Literal["all"]

_SCANNED = 1 << 16
"""micro-batches that are looked at for the largest; of more, as many at equal distances"""


def cut(batch: Mapping[str, Tensor], rows: Rows) -> Iterator[Mapping[str, Tensor]]:
    """The batch in pieces of `rows` rows, the last with what is left; itself where it has no more.

    Pieces are views, as wide as the batch. `cu_seqlens` of packed batches begin anew in each piece.
    """
    height = len(batch["labels"])
    if rows == WHOLE or height <= rows:
        yield batch
        return
    for first in range(0, height, rows):
        yield {name: _rows(batch, name, first, first + rows) for name in batch}


def _rows(batch: Mapping[str, Tensor], name: str, first: int, last: int) -> Tensor:
    """What the rows from `first` up to `last` hold of one tensor of the batch."""
    tensor = batch[name]
    if not name.endswith("cu_seqlens"):
        return tensor[first:last]
    # the places that count, row by row, are what the boundaries cut
    places = batch[name.replace("cu_seqlens", "segment_ids")] > 0
    before, within = int(places[:first].sum()), int(places[first:last].sum())
    inside = (tensor >= before) & (tensor <= before + within)
    return tensor[inside] - before


def choose_rows(
    config: Config,
    model: PreTrainedModel,
    loader: RecipeLoader,
    origin: Origin | None,
    say: Callable[[str], None],
    shapes: Shapes | None = None,
) -> Rows:
    """As told, else as saved, else, where memory is short, as many as fit of the largest batch of the plan.

    What is tried is the loss that is trained on, in the widths of `shapes`.
    Raises ResumeError for a saved number that cannot be one, torch.OutOfMemoryError when not one row fits.
    """
    wanted = config.train.rows_per_forward
    if wanted != "auto":
        return wanted
    if origin is not None:
        if origin.sections["facts"].get(FACT) == WHOLE:
            return WHOLE
        return saved_count(origin.directory, origin.sections, FACT, f"train.{FACT}", 2**31)
    if not is_searched(model.device):
        return WHOLE
    batch = largest_batch(loader, free=config.data.plan == "fixed")
    reserved = state_bytes(model, config.optim.kind)
    if config.train.ema_decay is not None:
        reserved += sum(one.nbytes for one in trained_parameters(model).values())
    loss = TokenLoss(
        model,
        config.train.precision,
        label_smoothing=config.train.label_smoothing,
        shapes=None if shapes is None else shapes.of_pieces(1),  # so that rows stay as many as are tried
    )
    rows = find_rows(loss, batch, reserved)
    say(f"rows per forward: {rows} of up to {len(batch['labels'])}, as many as fit")
    return rows


def is_searched(device: torch.device) -> bool:
    """Whether `auto` looks for a number of rows: where memory is short and an error tells of it."""
    return device.type == "cuda"


def largest_batch(loader: RecipeLoader, *, free: bool) -> dict[str, Tensor]:
    """A batch as large as any of the plan, whatever the epoch; the loader's position stays.

    When records meet freely (`free`, the plan `fixed`) it has the most rows and the widest columns of all,
    and every place of it counts; else it is the batch of epoch 0 with the most places.
    """
    every = -(-loader.micro_batches // _SCANNED)
    shapes = {}
    for index in range(0, loader.micro_batches, every):
        batch = loader.batch_at(0, index)
        shapes[index] = (len(batch["labels"]), batch["input_ids"].shape[1], batch["labels"].shape[1])
    index = max(shapes, key=lambda one: (shapes[one][0] * (shapes[one][1] + shapes[one][2]), -one))
    largest = dict(loader.batch_at(0, index))
    if not free:
        return largest
    rows, columns, targets = (max(shape[part] for shape in shapes.values()) for part in range(3))
    labels = largest["labels"]
    return {
        "input_ids": largest["input_ids"][0, 0].expand(rows, columns).clone(),
        "attention_mask": torch.ones(rows, columns, dtype=largest["attention_mask"].dtype),
        "labels": labels[labels != IGNORED][0].expand(rows, targets).clone(),
    }


def find_rows(loss: TokenLoss, batch: Mapping[str, Tensor], reserved: int = 0) -> int:
    """The most rows of `batch`, among its height halved again and again, that go forward and back in memory.

    `reserved` bytes are held meanwhile, for what the first update will allocate. Nothing of the trials stays:
    neither gradients nor cached memory, and the generators are as before. Raises torch.OutOfMemoryError when
    not even one row fits.
    """
    rows = len(batch["labels"])
    while True:
        try:
            _try(loss, next(cut(batch, rows)), reserved)
        except torch.OutOfMemoryError as error:
            if rows == 1:
                error.add_note("not even one row fits: take a smaller model or smaller `data.max_*_length`")
                raise
            rows = (rows + 1) // 2
        else:
            return rows
        finally:
            loss.zero_grad(set_to_none=True)
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.empty_cache()


def _try(loss: TokenLoss, part: Mapping[str, Tensor], reserved: int) -> None:
    """Two passes, the second on top of the gradients of the first."""
    held = torch.empty(reserved, dtype=torch.uint8, device=loss.model.device)
    for number in range(2):
        with isolated(0, "trial", 0, number):
            loss(part).backward()
    if held.is_cuda:
        torch.cuda.synchronize(held.device)
