"""A step that is not finite ends the run or loses its records; one without anything to learn counts."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius.model.loss import TokenLoss
from chefgenius.run.state import DivergedError, ResumeError
from chefgenius.settings.config import ConfigError
from fitting import QUIET, fit, metrics, stop_at, weights
from running import assert_same_run, opened, outcome

SKIP = ("train.on_nonfinite=skip", *QUIET)


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_step_that_is_not_finite_stops_at_the_boundary_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    fit(tmp_path, "train.max_steps=4", "optim.schedule=constant", *QUIET, run="whole")
    with opened(tmp_path, "optim.schedule=constant", *QUIET) as trainer:
        if poison == "loss":
            plain = TokenLoss.forward
            monkeypatch.setattr(
                TokenLoss,
                "forward",
                lambda *given: plain(*given) * (float("nan") if trainer.memory.progress.step == 4 else 1),
            )
        else:
            weight = next(trainer.model.parameters())
            weight.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: gradient * float("inf") if trainer.memory.progress.step == 4 else gradient
            )
        with pytest.raises(
            DivergedError, match=r"diverged in step 5: .* step 4 is saved: lower `optim.learning_rate`"
        ):
            trainer.fit()
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def poisoned(monkeypatch: pytest.MonkeyPatch, records: set[int]) -> None:
    """Every loss with one of these records is no number, as after a broken example."""

    plain = TokenLoss.forward

    def loss(self: TokenLoss, batch: Any) -> torch.Tensor:
        bad = records & set(batch.record_ids.tolist())
        return plain(self, batch) * (float("nan") if bad else 1)

    monkeypatch.setattr(TokenLoss, "forward", loss)


@pytest.fixture
def windows(tmp_path: Path) -> list[list[list[int]]]:
    """The records of each window of the first two epochs, micro-batch by micro-batch."""
    with opened(tmp_path, *QUIET, run="looked") as trainer:
        loader = trainer.feed.loader
        return [
            [
                loader.record_ids_at(epoch, index).tolist()
                for index in range(2 * step, min(2 * step + 2, loader.micro_batches))
            ]
            for epoch in (0, 1)
            for step in range(6)
        ]


def test_a_skipped_step_counts_and_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: list[list[list[int]]]
) -> None:
    fit(tmp_path, *QUIET, "train.max_steps=3", "optim.schedule=constant", run="before")
    poisoned(monkeypatch, {windows[3][1][0]})
    skipped = [record for batch in windows[3] for record in batch]
    fit(tmp_path, *SKIP, "train.max_steps=4", "optim.schedule=constant")
    assert weights(tmp_path / "run") == weights(tmp_path / "before")
    line = metrics(tmp_path / "run")[3]
    plain = metrics(tmp_path / "run")[2]
    assert [*line] == [*plain, "skipped"]
    assert (line["loss"], line["grad_norm"], line["skipped"]) == (None, None, skipped)
    seen = sum(len(batch) for window in windows[:4] for batch in window)
    assert (line["step"], line["samples"]) == (4, seen)
    sections = outcome(tmp_path / "run")["sections"]
    assert sections["tombstones"] == {"skipped": [{"step": 4, "records": sorted(skipped)}]}
    assert sections["losses"]["target_tokens"] == plain["target_tokens"]


def test_skipped_records_are_not_seen_again_and_the_rate_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: list[list[list[int]]]
) -> None:
    length = ("train.max_steps=12",)
    fit(tmp_path, *QUIET, *length, run="plain")
    poisoned(monkeypatch, {windows[3][0][0]})
    fit(tmp_path, *SKIP, *length, "data.prefetch=8", "data.threads=2")
    fit(tmp_path, *SKIP, *length, "data.prefetch=0", run="alone")
    lines, plain = metrics(tmp_path / "run"), metrics(tmp_path / "plain")
    assert [line["step"] for line in lines if line["loss"] is None] == [4]
    assert [one["learning_rate"] for one in lines] == [one["learning_rate"] for one in plain]
    assert [one["digest"] for one in lines[:6]] == [one["digest"] for one in plain[:6]]
    assert lines[5]["samples"] == 45
    assert lines[-1]["samples"] == 2 * 45 - 8
    assert metrics(tmp_path / "alone") == lines
    assert weights(tmp_path / "alone") == weights(tmp_path / "run")


@pytest.mark.parametrize("plan", ["fixed", "bucketed"])
def test_a_resume_around_a_skip_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str) -> None:
    """Before a skip, right at it, after it, and at and past the edge of the epoch, which is skipped too."""
    with opened(tmp_path, *SKIP, f"data.plan={plan}", run="looked") as trainer:
        bad = {int(trainer.feed.loader.record_ids_at(0, index)[0]) for index in (6, 11 - 1)}
    poisoned(monkeypatch, bad)
    options = (*SKIP, f"data.plan={plan}", "train.max_steps=9")
    fit(tmp_path, *options, run="whole")
    lost = [line["step"] for line in metrics(tmp_path / "whole") if "skipped" in line]
    assert lost == [4, 6]
    for at in range(3, 8):
        stop_at(tmp_path, *options, "data.threads=2", step=at)
    fit(tmp_path, *options)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_skip_is_logged_between_the_lines_that_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: list[list[list[int]]]
) -> None:
    poisoned(monkeypatch, {windows[2][0][0]})
    fit(tmp_path, *SKIP, "log.every_steps=5")
    assert [line["step"] for line in metrics(tmp_path / "run")] == [1, 3, 5, 10]


def test_eleven_skips_in_a_row_end_the_run_and_a_restart_ends_as_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boundary before the last of them is saved: from there a lower learning rate may do better."""
    small = (*SKIP, "data.batch_size=1", "train.gradient_accumulation_steps=2", "train.max_steps=40")
    poisoned(monkeypatch, set(range(50)))
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"11 steps in a row up to step 11 .*; step 10 is saved"):
            fit(tmp_path, *small)
    monkeypatch.undo()
    fit(tmp_path, *small, "optim.learning_rate=1e-5", "optim.schedule=constant")


def test_an_epoch_that_was_skipped_whole_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, set(range(50)))
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"epoch 0 taught nothing.*; step 5 is saved"):
            fit(tmp_path, *SKIP)
    monkeypatch.undo()
    fit(tmp_path, *SKIP)
    assert None not in outcome(tmp_path / "run")["sections"]["losses"]["epochs"]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "tombstones.txt"


def leave_out(path: Path, records: list[int]) -> str:
    path.write_text("# broken\n\n" + "".join(f"{one}  # seen\n" for one in records))
    return f"data.tombstones={path}"


def test_a_step_with_nothing_to_learn_counts(
    tmp_path: Path, listed: Path, windows: list[list[list[int]]]
) -> None:
    """The whole second window is left out, and one of two micro-batches of the fourth."""
    gone = [*windows[1][0], *windows[1][1], *windows[3][1]]
    option = leave_out(listed, gone)
    fit(tmp_path, *QUIET, option, "train.max_steps=6")
    lines = metrics(tmp_path / "run")
    assert [(one["loss"], one["grad_norm"]) for one in lines if one["loss"] is None] == [(None, None)]
    assert not any("skipped" in line for line in lines)
    left = [sum(record not in gone for batch in window for record in batch) for window in windows[:6]]
    assert [after["samples"] - before["samples"] for before, after in pairwise(lines)] == left[1:]
    assert left[1] == 0
    assert left[3] == 4
    tokens = np.diff([0, *(line["target_tokens"] for line in lines)])
    mean = sum((one["loss"] or 0) * count for one, count in zip(lines, tokens, strict=True)) / tokens.sum()
    assert outcome(tmp_path / "run")["sections"]["losses"]["epochs"] == [pytest.approx(mean, rel=1e-6)]
    stop_at(tmp_path, *QUIET, option, step=2, run="cut")
    fit(tmp_path, *QUIET, option, "train.max_steps=6", "optim.schedule=linear", run="cut")
    assert [line["digest"] for line in metrics(tmp_path / "cut")] == [line["digest"] for line in lines]


def test_another_list_is_another_run(tmp_path: Path, listed: Path) -> None:
    option = leave_out(listed, [1, 2])
    fit(tmp_path, *QUIET, option, "train.max_steps=2")
    leave_out(listed, [2, 1, 1])
    fit(tmp_path, *QUIET, option, "train.max_steps=3")
    leave_out(listed, [1, 3])
    with pytest.raises(ResumeError, match='`tombstones`: saved `"b3:'):
        fit(tmp_path, *QUIET, option, "train.max_steps=4")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1\ntwo\n", "line 2: `two` is no record number, which are 0 to 49"),
        ("# x\n50", "line 2: `50` is no"),
        ("-1", "line 1: `-1` is no"),
        ("1 2", "line 1: `1 2` is no"),
        ("9" * 5000, "line 1: `9999"),
        ("\n".join(map(str, range(50))), "leaves out all there is to train on, 45 records"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, listed: Path, text: str, told: str) -> None:
    listed.write_text(text)
    with pytest.raises(ConfigError) as error:
        fit(tmp_path, *QUIET, f"data.tombstones={listed}")
    assert told in str(error.value)
    assert str(listed) in str(error.value)
