"""Whatever ends a run: the last boundary that still stands is saved, it says so, and nothing is lost."""

import errno
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import train
from chefgenius.callbacks import Callback, Outcome, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.model.loss import TokenLoss
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import StopRequested
from chefgenius.run.state import DivergedError, RunError
from fitting import QUIET, StopAt, fit
from running import assert_same_run, opened, outcome, run_here

KEPT = ("checkpoint.keep=9",)
THREES = (*KEPT, "eval.every_steps=0")  # a checkpoint every 3 steps and no other
FULL = OSError(errno.EROFS, "read-only file system", "a file")


class Failing(Callback):
    """Raises at one point of the run, once."""

    def __init__(self, point: str, step: int, error: Exception) -> None:
        self.point, self.step, self.error = point, step, error

    def _fail(self, point: str, step: int) -> None:
        if (point, step) == (self.point, self.step):
            raise self.error

    def on_step_end(self, info: StepInfo) -> None:
        self._fail("on_step_end", info.step)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        self._fail("on_eval_end", evaluation.step)

    def on_save(self, checkpoint: Path) -> None:
        self._fail("on_save", int(checkpoint.name[5:]))


def ends_with(folder: Path, error: Exception, note: str, *overrides: str) -> None:
    """The run, if it goes on as if nothing had been, ends like one that never failed."""
    advice = [one for one in error.__notes__ if one.startswith("fewer rows of a micro-batch")]
    assert len(advice) <= isinstance(error, torch.OutOfMemoryError)
    assert error.__notes__ == [*advice, note]
    fit(folder, *overrides)
    fit(folder, *overrides, run="whole")
    assert_same_run(folder / "run", folder / "whole")


@pytest.mark.parametrize(
    ("point", "step"), [("on_step_end", 5), ("on_step_end", 6), ("on_eval_end", 4), ("on_save", 3)]
)
def test_an_error_of_a_callback_saves_the_boundary(tmp_path: Path, point: str, step: int) -> None:
    error = RuntimeError("no such host")
    with pytest.raises(RuntimeError, match="no such host"):
        fit(tmp_path, *KEPT, callbacks=(Failing(point, step, error),))
    (told,) = error.__notes__
    saved = RunDirectory(tmp_path / "run").steps()[0]
    assert saved >= step if point == "on_save" else saved == step  # told when the writer is done
    if point == "on_eval_end":
        assert outcome(tmp_path / "run")["sections"]["pending"]["work"] == ["eval", "samples"]
    assert told == f"step {saved} is saved"
    ends_with(tmp_path, error, told, *KEPT)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shape"), MemoryError(), torch.OutOfMemoryError("CUDA out of memory")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_model_saves_the_boundary_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plain, forwards = TokenLoss.forward, 0

    def failing(*given: Any) -> Any:
        nonlocal forwards
        forwards += 1
        if forwards == 8:  # the second micro-batch of step 4
            raise error
        return plain(*given)

    with monkeypatch.context() as patched, opened(tmp_path, *KEPT, *QUIET) as trainer:
        patched.setattr(TokenLoss, "forward", failing)
        with pytest.raises(type(error)):
            trainer.fit()
        assert all(one.grad is None for one in trainer.model.parameters())
    ends_with(tmp_path, error, "step 3 is saved", *KEPT, *QUIET)


def test_what_took_the_memory_is_free_before_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def failing(*given: Any) -> Any:
        activations = torch.zeros(9)
        held.append(weakref.ref(activations))
        raise MemoryError

    with opened(tmp_path, *QUIET) as trainer:
        monkeypatch.setattr(TokenLoss, "forward", failing)
        save = trainer.checkpoints.save

        def saving(sections: dict[str, Any], best: Any, *, anew: bool = False) -> None:
            assert not any(one() is not None for one in held)
            save(sections, best, anew=anew)

        trainer.checkpoints.save = saving  # type: ignore[method-assign]
        with pytest.raises(MemoryError) as raised:
            trainer.fit()
    assert len(held) == 1
    assert raised.value.__notes__ == ["step 0 is saved"]


def test_an_update_that_fails_half_way_is_not_saved(tmp_path: Path) -> None:
    """The weights stand between two boundaries then: the newest checkpoint is what is left."""
    error = torch.OutOfMemoryError("CUDA out of memory")
    with opened(tmp_path, *THREES) as trainer:
        plain = trainer.optimizer.step

        def failing() -> None:
            plain()
            if trainer.memory.progress.step == 4:
                raise error

        trainer.optimizer.step = failing  # type: ignore[method-assign, assignment]
        with pytest.raises(torch.OutOfMemoryError):
            trainer.fit()
    ends_with(tmp_path, error, "the next start goes on from step 3", *THREES)


class Ends(Callback):
    """Ends the run in a way of its own after a step."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.end = end

    def on_step_end(self, info: StepInfo) -> None:
        if info.step == 5:
            self.end()


def test_a_callback_that_exits_is_an_error_and_costs_nothing(tmp_path: Path) -> None:
    told = r"^`exit\(5\)` called inside the run"
    with (
        opened(tmp_path, *THREES, callbacks=[Ends(lambda: sys.exit(5))]) as trainer,
        pytest.raises(RunError, match=told) as raised,
    ):
        trainer.fit()
    assert raised.value.exit_code == 1
    assert raised.value.__notes__ == ["step 5 is saved"]
    assert RunDirectory(tmp_path / "run").steps()[0] == 5


class Gone(Callback):
    """Its server is gone when the run ends."""

    def on_train_end(self, outcome: Outcome | None) -> None:
        raise ValueError("no such server")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (StopRequested("enough"), 75, "enough; step 5 is saved: start the same command again to go on"),
        (
            KeyboardInterrupt(),
            130,
            "error: aborted: start the same command again to go on from the last checkpoint",
        ),
        (DivergedError("diverged"), 4, "error: diverged; step 5 is saved"),
    ],
)
def test_what_callbacks_raise_after_the_end_is_told_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    def end() -> None:
        raise error

    with train.report_errors() as report, opened(tmp_path, *THREES, callbacks=[Ends(end), Gone()]) as trainer:
        trainer.fit()
    assert report.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)
    assert line.endswith("; after it, in `on_train_end`, ValueError: no such server")


def test_a_run_directory_that_is_moved_away_is_an_error_of_the_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Ends(lambda: (tmp_path / "run").rename(tmp_path / "away"))
    with train.report_errors() as report, opened(tmp_path, *THREES, callbacks=[away]) as trainer:
        trainer.fit()
    assert report.code == 74
    assert f"; `{tmp_path / 'run' / 'checkpoints'}` is gone\n" in capsys.readouterr().err
    assert RunDirectory(tmp_path / "away").steps()[0] == 3


def test_a_run_directory_that_is_moved_away_ends_the_run_at_its_next_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its logs are open files, which go with it: nobody would be told."""
    away = Ends(lambda: (tmp_path / "run").rename(tmp_path / "away"))
    every = [*THREES, "log.every_steps=1", "checkpoint.every_steps=1000"]
    with train.report_errors() as report, opened(tmp_path, *every, callbacks=[away]) as trainer:
        trainer.fit()
    assert report.code == 74
    assert "moved or removed while the run goes on: put it back" in capsys.readouterr().err
    assert trainer.memory.progress.step == 6
    assert '"step":6' not in (tmp_path / "away" / "metrics.jsonl").read_text().replace(" ", "")


def test_a_line_that_cannot_be_written_leaves_no_boundary(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "no space left", "metrics.jsonl")
    with opened(tmp_path, *THREES) as trainer:
        plain = trainer.logs.metrics.write

        def failing(line: dict[str, Any]) -> None:
            if line["step"] == 5:
                raise error
            plain(line)

        trainer.logs.metrics.write = failing  # type: ignore[method-assign, assignment]
        with pytest.raises(OSError, match="no space left"):
            trainer.fit()
    ends_with(tmp_path, error, "the next start goes on from step 3", *THREES)


def failing_writer(trainer: Any, step: int, tried: list[int]) -> None:
    """The writer cannot write that step."""
    plain = trainer.checkpoints._write

    def write(snapshot: Any) -> None:
        tried.append(snapshot.step)
        if snapshot.step >= step:
            raise FULL
        plain(snapshot)

    trainer.checkpoints._write = write


def test_a_failed_save_ends_the_run_and_is_not_tried_again(tmp_path: Path) -> None:
    tried: list[int] = []
    FULL.__notes__ = []
    with opened(tmp_path, *KEPT) as trainer:
        failing_writer(trainer, 6, tried)
        with pytest.raises(OSError, match="read-only"):
            trainer.fit()
    assert tried[-1] == 6
    assert tried.count(6) == 1
    newest = RunDirectory(tmp_path / "run").steps()[0]
    ends_with(tmp_path, FULL, f"the next start goes on from step {newest}", *KEPT)


def test_a_save_that_fails_after_an_error_does_not_hide_it(tmp_path: Path) -> None:
    tried: list[int] = []
    error = RuntimeError("first")
    with opened(tmp_path, *KEPT, *QUIET, callbacks=(Failing("on_step_end", 5, error),)) as trainer:
        failing_writer(trainer, 5, tried)
        with pytest.raises(RuntimeError, match="first"):
            trainer.fit()
    assert tried == [0, 5]
    told = f"the next start goes on from step 0 (while saving: OSError: {FULL})"
    ends_with(tmp_path, error, told, *KEPT, *QUIET)


def test_a_stop_that_cannot_be_saved_is_an_error_of_the_disk(tmp_path: Path) -> None:
    FULL.__notes__ = []
    with opened(tmp_path, *KEPT, *QUIET) as trainer:
        trainer.callbacks = [StopAt(trainer.stop, step=5)]
        failing_writer(trainer, 5, [])
        with pytest.raises(OSError, match="read-only") as raised:
            trainer.fit()
    assert isinstance(raised.value.__context__, StopRequested)
    ends_with(tmp_path, FULL, "the next start goes on from step 0", *KEPT, *QUIET)


def test_the_command_tells_of_an_error_with_its_cause_and_what_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr(TokenLoss, "forward", failing)
        assert run_here(tmp_path, *QUIET) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == (
        "error: RuntimeError: boom: mend this, then start the same command again to go on; step 0 is saved"
    )
    assert run_here(tmp_path, *QUIET) == 0
