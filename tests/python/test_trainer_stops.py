"""A run that is stopped, or asked to save, computes what it would have computed."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks import Callback, StepInfo
from chefgenius.model.loss import TokenLoss
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import StopRequested
from fitting import QUIET, fit, metrics, stop_at
from running import assert_same_run, opened, outcome, run_here

FEW = ("checkpoint.keep=9", *QUIET)


@pytest.mark.parametrize("plan", ["fixed", "bucketed"])
def test_a_stop_drops_the_window_and_a_resume_is_exact(tmp_path: Path, plan: str) -> None:
    """Again and again, on both sides of the edge of an epoch and at it."""
    fit(tmp_path, f"data.plan={plan}", run="whole")
    for at in (1, 5, 6, 7, 9):
        stop_at(tmp_path, f"data.plan={plan}", "data.threads=3", step=at)
        assert RunDirectory(tmp_path / "run").steps()[0] == at
    fit(tmp_path, f"data.plan={plan}")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_a_window_is_seen_between_its_micro_batches(
    tmp_path: Path, number: signal.Signals
) -> None:
    fit(tmp_path, run="whole")
    with opened(tmp_path) as trainer, trainer.stop:
        loader, taken = trainer._next, 0

        def signalled() -> Any:
            nonlocal taken
            taken += 1
            if taken == 8:  # the second of two in step 4, which is dropped before its forward
                os.kill(os.getpid(), number)
            return loader()

        trainer._next = signalled  # type: ignore[method-assign]
        with pytest.raises(StopRequested, match=number.name):
            trainer.fit()
        assert taken == 8
        assert all(parameter.grad is None for parameter in trainer.model.parameters())
    assert RunDirectory(tmp_path / "run").steps()[0] == 3
    fit(tmp_path)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_stop_inside_an_evaluation_leaves_it_pending(tmp_path: Path) -> None:
    """Between the batches of the loss and between generated tokens; each time the resume is stopped again."""
    fit(tmp_path, run="whole")
    for checks in (1, 3, 6):
        with opened(tmp_path) as trainer:
            assert trainer.evaluator is not None
            plain, left = trainer.evaluator.evaluate, checks

            def cut(
                step: int, epoch: int, prompts: int, evaluator: Any = trainer.evaluator, plain: Any = plain
            ) -> Any:
                def check() -> None:
                    nonlocal left
                    left -= 1
                    if left <= 0:
                        raise StopRequested("stopped")

                if step == 4:
                    evaluator.check = check
                return plain(step, epoch, prompts)

            trainer.evaluator.evaluate = cut  # type: ignore[method-assign]
            with pytest.raises(StopRequested):
                trainer.fit()
        assert left == 0
        assert outcome(tmp_path / "run")["sections"]["pending"] == {"work": ["eval", "samples"]}
        assert [line["step"] for line in metrics(tmp_path / "run", "evaluation")] == [0]
    fit(tmp_path)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_forward_is_seen_before_the_backward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    fit(tmp_path, *QUIET, run="whole")
    plain, forwards, backwards = TokenLoss.forward, 0, 0

    def forward(*given: Any) -> Any:
        nonlocal forwards
        forwards += 1
        if forwards == 5:
            os.kill(os.getpid(), number)
        return plain(*given)

    def backward(gradient: Any) -> None:
        nonlocal backwards
        backwards += 1

    with opened(tmp_path, *QUIET) as trainer, trainer.stop:
        monkeypatch.setattr(TokenLoss, "forward", forward)
        next(trainer.model.parameters()).register_hook(backward)  # type: ignore[no-untyped-call]
        with pytest.raises(StopRequested, match=rf"\({number.name}\); step 2 is saved"):
            trainer.fit()
    assert (forwards, backwards) == (5, 4)
    monkeypatch.undo()
    fit(tmp_path, *QUIET)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("interrupts", [1, 2])
def test_a_signal_while_a_save_is_in_flight(tmp_path: Path, interrupts: int) -> None:
    fit(tmp_path, run="whole")
    with opened(tmp_path) as trainer, trainer.stop:
        save = trainer.checkpoints.save

        def saving(sections: dict[str, Any], best: Any, *, anew: bool = False) -> None:
            save(sections, best, anew=anew)
            if sections["progress"]["step"] == 6 and trainer.stop.requested is None:
                for _ in range(interrupts):
                    os.kill(os.getpid(), signal.SIGINT)

        trainer.checkpoints.save = saving  # type: ignore[method-assign]
        if interrupts == 1:
            with pytest.raises(StopRequested, match="; step 6 is saved"):
                trainer.fit()
            assert RunDirectory(tmp_path / "run").steps()[0] == 6
        else:
            with pytest.raises(KeyboardInterrupt):
                trainer.fit()
    fit(tmp_path)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_when_checkpoints_are_written_changes_nothing(tmp_path: Path) -> None:
    """A storm of SIGUSR1, and a save after every step by time: law 3."""
    fit(tmp_path, run="whole")
    stormed, done = "run", threading.Event()

    def storm() -> None:
        while not done.is_set():
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.001)

    with opened(tmp_path, run=stormed) as trainer, trainer.stop:
        seen: list[Path] = []
        trainer.callbacks = [Saved(seen)]
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            trainer.fit()
        finally:
            done.set()
            thread.join()
    assert len(seen) == 11
    assert_same_run(tmp_path / stormed, tmp_path / "whole")

    seen.clear()
    fit(tmp_path, "checkpoint.every_minutes=1e-9", run="often", callbacks=(Saved(seen),))
    assert len(seen) == 11
    often, whole = outcome(tmp_path / "often"), outcome(tmp_path / "whole")
    assert often["sections"].pop("config") != whole["sections"].pop("config")
    assert often == whole


class Saved(Callback):
    """Notes the checkpoints that it is told of; makes the file `save` after some steps."""

    def __init__(self, seen: list[Path], run: Path | None = None, at: tuple[int, ...] = ()) -> None:
        self.seen, self.run, self.at = seen, run, at

    def on_step_end(self, info: StepInfo) -> None:
        if self.run is not None and info.step in self.at:
            (self.run / "save").touch()

    def on_save(self, checkpoint: Path) -> None:
        assert checkpoint.is_dir()
        assert threading.current_thread() is threading.main_thread()
        self.seen.append(checkpoint)


def test_a_file_asks_for_a_checkpoint_and_goes_when_it_stands(tmp_path: Path) -> None:
    fit(tmp_path, *FEW, run="whole")
    seen: list[Path] = []
    run = tmp_path / "run"
    fit(tmp_path, *FEW, callbacks=(Saved(seen, run, (2, 7)),))
    assert [path.name for path in seen] == [f"step-{step:08d}" for step in (0, 2, 7, 10)]
    assert not (run / "save").exists()
    assert_same_run(run, tmp_path / "whole")


def test_the_bound_of_a_stop_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, *QUIET, "train.max_steps=2") == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "a stop" in line]
    assert told == [
        "a stop (Ctrl-C or SIGTERM) is honoured within one forward or backward of a micro-batch and one "
        "save, after one in flight"
    ]
