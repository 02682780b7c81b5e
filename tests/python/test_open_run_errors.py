"""A run as a block of Python: signals and errors inside it, and what may not be done with a trainer."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import chefgenius
import pytest
import torch
from chefgenius import Callback
from chefgenius.callbacks import Outcome, RunInfo
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.run.state import RunError
from fitting import At, Counting, StopAt, assert_goes_on, ending, fit, go, silent
from running import assert_same_run, words

# Signals and errors inside it.


def test_a_signal_in_a_callback_keeps_the_others_exact(tmp_path: Path) -> None:
    kill = At(5, partial(os.kill, os.getpid(), signal.SIGINT))
    with chefgenius.Stop() as stop, pytest.raises(chefgenius.StopRequested, match="; step 5 is saved"):
        go(tmp_path, callbacks=[kill, Counting()], stop=stop)
    assert_goes_on(tmp_path, callbacks=[Counting()])


def test_an_exit_in_a_callback_keeps_the_others_exact(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^`exit\(3\)` called inside the run") as caught:
        go(tmp_path, callbacks=[ending(5, SystemExit(3)), Counting()])
    assert caught.value.__notes__ == ["step 5 is saved"]
    assert_goes_on(tmp_path, callbacks=[Counting()])


def test_a_stop_in_a_callback_keeps_the_others_exact(tmp_path: Path) -> None:
    with pytest.raises(chefgenius.StopRequested, match=r"^enough; step 5 is saved$"):
        go(tmp_path, callbacks=[ending(5, chefgenius.StopRequested("enough")), Counting()])
    kill = At(7, partial(os.kill, os.getpid(), signal.SIGINT))
    with chefgenius.Stop(), pytest.raises(chefgenius.StopRequested, match=r"; step 7 is saved$"):
        go(tmp_path, callbacks=[kill, Counting()])  # a `Stop` that was not given: it raises on the spot
    assert_goes_on(tmp_path, callbacks=[Counting()])


class Saved(Callback):
    """Calls `exit` when the checkpoint of a step stands."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_save(self, checkpoint: Path) -> None:
        if checkpoint.name == f"step-{self.step:08d}":
            raise SystemExit(7)


def test_an_exit_while_a_failed_run_is_saved_hides_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x") as caught:
        go(tmp_path, callbacks=[ending(5, ValueError("x")), Saved(5)])
    assert caught.value.__notes__ == [
        "step 5 is saved (while saving: RunError: `exit(7)` called inside the run)"
    ]
    stop = chefgenius.Stop()
    with pytest.raises(RunError, match=r"`exit\(7\)` called inside the run") as second:
        go(tmp_path, callbacks=[StopAt(stop, step=7), Saved(7)], stop=stop)
    assert second.value.__notes__ == ["step 7 is saved"]
    assert_goes_on(tmp_path)


class Ends(Callback):
    """Counts the beginnings and the ends, and fails there."""

    def __init__(self, *, first: bool, last: bool) -> None:
        self.first, self.last = first, last
        self.told: list[str] = []

    def on_train_start(self, info: RunInfo) -> None:
        self.told.append("start")
        if self.first:
            raise ValueError("no such server")

    def on_train_end(self, outcome: Outcome | None) -> None:
        self.told.append("end")
        if self.last:
            raise ValueError("gone by now")


def test_an_error_at_the_beginning_says_what_is_saved(tmp_path: Path) -> None:
    ends = Ends(first=True, last=True)
    with pytest.raises(ValueError, match="no such server") as caught:
        go(tmp_path, callbacks=[ends])
    assert ends.told == ["start", "end"]
    assert caught.value.__notes__ == [
        "nothing is saved",
        "after it, in `on_train_end`, ValueError: gone by now",
    ]
    assert_goes_on(tmp_path)


def test_an_error_at_the_end_keeps_all_that_was_trained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gone by now") as caught:
        go(tmp_path, callbacks=[Ends(first=False, last=True)])
    assert not hasattr(caught.value, "__notes__")
    assert RunDirectory(tmp_path / "run").steps()[0] == 10
    assert read_run_facts(tmp_path / "run")["finished"] is None, "its callbacks have not heard of the end"
    assert_goes_on(tmp_path)
    assert read_run_facts(tmp_path / "run")["finished"] == 10


# What may not be done.


def test_a_trainer_trains_once(tmp_path: Path) -> None:
    config = chefgenius.load_config(None, words(tmp_path))
    counting = Counting()
    with chefgenius.open_run(config, callbacks=[ending(5, ValueError("x")), counting], say=silent) as trainer:
        with pytest.raises(ValueError, match="x"):
            trainer.fit()
        with pytest.raises(RunError, match=r"step=5 of 10\) has trained already: open the run again"):
            trainer.fit()
    assert counting.steps == 5
    assert_goes_on(tmp_path, callbacks=[Counting()])
    with chefgenius.open_run(config, say=silent) as trainer:
        pass
    with pytest.raises(RunError, match="belongs to a block that has ended: open the run again"):
        trainer.fit()


def test_a_trainer_does_not_train_within_itself(tmp_path: Path) -> None:
    config = chefgenius.load_config(None, words(tmp_path))
    told: list[str] = []

    def again() -> None:
        with pytest.raises(RunError, match="trains already: wait for its end"):
            trainer.fit()
        told.append("refused")

    with chefgenius.open_run(config, callbacks=[At(5, again)], say=silent) as trainer:
        trainer.fit()
    assert told == ["refused"]
    fit(tmp_path, run="whole")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_turn_that_an_interrupt_broke_off_keeps_nobody_out(tmp_path: Path) -> None:
    """Its last line may be missed, where a second interrupt comes in the wrong moment."""
    config = chefgenius.load_config(None, words(tmp_path))
    with chefgenius.open_run(config, say=silent) as trainer:
        begun = trainer.turn.taken("it")
        begun.__enter__()
        torch.set_grad_enabled(False)
    del begun
    assert_goes_on(tmp_path)
    torch.set_grad_enabled(True)


def test_one_run_trains_at_a_time(tmp_path: Path) -> None:
    def both() -> None:
        with pytest.raises(RunError, match="another run trains in this process"):
            go(tmp_path, run="other")

    go(tmp_path, callbacks=[At(5, both)])
    fit(tmp_path, run="whole")
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    go(tmp_path, run="other")
    assert_same_run(tmp_path / "other", tmp_path / "whole")


def test_a_run_that_is_open_is_not_opened_again(tmp_path: Path) -> None:
    config = chefgenius.load_config(None, words(tmp_path))
    with chefgenius.open_run(config, say=silent) as trainer:
        with pytest.raises(
            chefgenius.ResumeError, match="in use by this process: end the block that holds it"
        ):
            go(tmp_path)
        trainer.fit()


def test_what_is_given_in_another_kind_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    wrong: Any
    for wrong in (None, {}, "mine.yaml"):
        with pytest.raises(TypeError, match="give what `load_config` returns"), chefgenius.open_run(wrong):
            pass
    for one in (Counting, object()):
        with pytest.raises(TypeError, match="give objects of classes made from `Callback`"):
            go(tmp_path, callbacks=[one])
    with pytest.raises(TypeError, match="give a `Stop`"):
        go(tmp_path, stop="SIGTERM")
    with pytest.raises(TypeError, match=r"give a list, \['threads'\]"):
        go(tmp_path, allow_change="threads")
    with pytest.raises(TypeError, match=r"give a list, \['train.max_steps=3'\]"):
        chefgenius.load_config(None, "train.max_steps=3")
    assert not list(tmp_path.glob("run*"))


def test_callbacks_may_come_from_a_generator(tmp_path: Path) -> None:
    counting = Counting()
    go(tmp_path, "train.max_steps=3", callbacks=(one for one in [counting]))
    assert counting.steps == 3
