"""The losses of single recipes add up to that of the micro-batches that they stood in."""

from pathlib import Path

import pytest
import torch
from chains import CAUSAL
from chefgenius.inspecting.itinerary import Itinerary
from chefgenius.inspecting.scoring import Scorer
from chefgenius.model.loss import TokenLoss
from running import run_here

QUICK = ("eval.every_steps=0", "train.max_steps=2")


@pytest.mark.parametrize(
    "words", [("data.plan=packed", "data.batch_size=2"), (CAUSAL, "data.plan=packed", "data.loss_on=both")]
)
def test_recipes_alone_have_the_losses_that_they_have_in_a_packed_row(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert run_here(tmp_path, *QUICK, "data.max_target_length=60", *words) == 0
    itinerary = Itinerary(tmp_path / "run")
    scorer, stop = Scorer(itinerary, "newest"), itinerary.step(1)
    assert scorer.checkpoint == "step-00000002"
    losses = scorer(stop.leg, [row.record for row in stop.rows])
    found = sum(losses[row.record] * row.target_tokens for row in stop.rows)
    windows, expected = itinerary.shelf.windows(stop.leg), 0.0
    for index in {row.slot for row in stop.rows}:
        arrays = windows.arrays_at(stop.epoch, index)
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.no_grad():
            expected += TokenLoss(scorer.loss.model)(batch).item()
    assert found == pytest.approx(expected, rel=1e-4)
    assert len(losses) == len(stop.rows) > 4
