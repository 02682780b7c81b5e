"""The gradient of a window does not depend on how the window is split."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.model.loss import TokenLoss
from chefgenius.training.pieces import WHOLE
from chefgenius.training.sharing import Sharing
from chefgenius.training.step import Backward
from fitting import QUIET
from running import MODEL, opened

NO_DROPOUT = ("model.config.dropout_rate=0.0",)
ROWS = 48
TOLERANCE = 1e-6


Found = tuple[float, float, dict[str, torch.Tensor]]
"""loss sum, norm and gradients"""


def gradients(folder: Path, accumulation: int, sizes: list[Any]) -> Iterator[Found]:
    """Of the first window, the same 48 records, in so many micro-batches and in pieces of each size."""
    split = (
        f"data.batch_size={ROWS // accumulation}",
        f"train.gradient_accumulation_steps={accumulation}",
        "data.plan=fixed",
        "data.validation_fraction=0",
        "optim.max_grad_norm=null",
    )
    with opened(folder, *QUIET, *NO_DROPOUT, *split, run=f"run-{accumulation}") as trainer:
        loader, model = trainer.feed.loader, trainer.model
        window = trainer.feed.window(0, 0)
        assert (window.samples, window.micro_batches) == (ROWS, accumulation)
        sharing = Sharing(TokenLoss(model))
        for rows in sizes:
            batches = map(partial(loader.batch_at, 0), range(accumulation))
            backward = Backward(trainer.config, sharing, batches.__next__, lambda: None, rows)
            found = backward(1, window)
            grads = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
            yield found.loss_sum, found.grad_norm, grads
            model.zero_grad(set_to_none=True)


def test_every_split_of_a_window_gives_the_same_loss_and_gradient(tmp_path: Path) -> None:
    assert MODEL["model_type"] == "t5"
    compared = 0
    ((loss, norm, grads),) = gradients(tmp_path, 1, [WHOLE])
    assert loss > 1000
    for accumulation in (1, 2, 4, 8):
        for other in gradients(tmp_path, accumulation, [1, 2, WHOLE]):
            assert other[0] == pytest.approx(loss, rel=TOLERANCE)
            assert other[1] == pytest.approx(norm, rel=TOLERANCE)
            for name, grad in grads.items():
                torch.testing.assert_close(other[2][name], grad, rtol=1e-4, atol=1e-6 * norm)
            compared += 1
    assert compared == 12
