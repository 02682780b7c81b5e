"""A run as a block of Python, in the ways of a notebook: interrupted, run again at once, misused."""

import errno
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import chefgenius
import pytest
from chefgenius import Callback, StepInfo
from chefgenius.callbacks import Outcome, RunInfo
from chefgenius.run.manifest import write_file
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.run.state import RunError
from chefgenius.training import checkpoint
from chefgenius.training.trainer import Trainer
from fitting import Counting, StopAt, fit
from running import assert_same_run, words

EVERY = ("checkpoint.every_steps=1", "checkpoint.keep=9")


class At(Callback):
    """Does something at the end of a step."""

    def __init__(self, step: int, do: Callable[[], None]) -> None:
        self.step, self.do = step, do

    def on_step_end(self, info: StepInfo) -> None:
        if info.step == self.step:
            self.do()


def ending(step: int, error: BaseException) -> At:
    def fail() -> None:
        raise error

    return At(step, fail)


def silent(text: str) -> None:
    """Where nobody looks at what is said."""


def go(folder: Path, *overrides: str, callbacks: Any = (), run: str = "run", **given: Any) -> None:
    config = chefgenius.load_config(None, words(folder, *overrides, run=run))
    with chefgenius.open_run(config, callbacks=callbacks, **{"say": silent, **given}) as trainer:
        trainer.fit()


def assert_goes_on(folder: Path, *overrides: str, callbacks: Any = ()) -> None:
    """The same call once more ends as a run that was never stopped."""
    go(folder, *overrides, callbacks=callbacks)
    assert not [one for one in (folder / "run" / "checkpoints").iterdir() if one.name.startswith(".")]
    fit(folder, *overrides, run="whole", callbacks=tuple(Counting() for _ in callbacks))
    assert_same_run(folder / "run", folder / "whole")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which the checkpoint of step 3 takes its time."""

    def slowly(path: Path, *given: Any) -> Any:
        time.sleep(0.1 * ("step-00000003" in str(path)))
        return write_file(path, *given)

    monkeypatch.setattr(checkpoint, "write_file", slowly)


# The end of the block.


def test_an_interrupt_leaves_nothing_running(tmp_path: Path, slow: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, *EVERY, callbacks=[ending(4, KeyboardInterrupt())])
    assert RunDirectory(tmp_path / "run").steps()[0] == 3
    assert_goes_on(tmp_path, *EVERY)


def test_a_second_interrupt_waits_too(tmp_path: Path, slow: None) -> None:
    said: list[str] = []

    def interrupt() -> None:
        Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, *EVERY, callbacks=[At(4, interrupt)], say=said.append)
    assert said[-1] == "step 3 is still being saved: waiting for it"
    assert RunDirectory(tmp_path / "run").steps()[0] == 3
    assert_goes_on(tmp_path, *EVERY)


def test_a_save_that_fails_meanwhile_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path: Path, *given: Any) -> Any:
        if "step-00000003" in str(path):
            time.sleep(0.3)
            raise OSError(errno.EROFS, "read-only file system", str(path))
        return write_file(path, *given)

    monkeypatch.setattr(checkpoint, "write_file", failing)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, *EVERY, callbacks=[ending(4, KeyboardInterrupt())], say=said.append)
    assert said[-1].startswith("step 3 is not saved: OSError: ")
    assert said[-1].endswith("; the next start goes on from step 2")
    monkeypatch.undo()
    assert_goes_on(tmp_path, *EVERY)


# What is told, and what is noted.


def test_where_it_goes_on_is_said(tmp_path: Path) -> None:
    go(tmp_path, "train.max_steps=3", "optim.schedule=constant")
    said: list[str] = []
    more = ("train.max_steps=5", "optim.schedule=constant", "optim.weight_decay=0.5")
    go(tmp_path, *more, allow_change=["weight_decay", "threads"], say=said.append)
    last = RunDirectory(tmp_path / "run").step_path(3)
    assert f"going on from {last}" in said
    assert "changed with leave: `optim.weight_decay`: saved `0.0`, here `0.5`" in said
    assert "`threads` may change, and does not differ" in said
    assert [one for one in said if "not exact since step 3" in one]


def test_only_a_run_that_came_to_its_end_is_finished(tmp_path: Path) -> None:
    stop = chefgenius.Stop()
    with pytest.raises(chefgenius.StopRequested, match="; step 10 is saved"):
        go(tmp_path, callbacks=[StopAt(stop, step=10)], stop=stop)
    config = chefgenius.load_config(None, words(tmp_path))
    with chefgenius.open_run(config, say=silent) as trainer:
        assert trainer.ended  # and its last evaluation is still to come
    assert read_run_facts(tmp_path / "run")["finished"] is None
    assert_goes_on(tmp_path)
    assert read_run_facts(tmp_path / "run")["finished"] == 10
    with chefgenius.open_run(config, say=silent):
        pass
    assert read_run_facts(tmp_path / "run")["finished"] == 10, "somebody only looked at it"


def test_a_new_run_begins_with_weights_and_remembers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("eval.every_steps=0", "train.max_steps=2")
    new = (*quick, "model.config=null", "data.tokenizer=null")
    go(tmp_path, *quick)
    last = RunDirectory(tmp_path / "run").step_path(2)

    def killed(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path, *new, run="new", init_from=str(last))
    with pytest.raises(chefgenius.ResumeError, match="began with the weights in"):
        go(tmp_path, *quick, run="new")
    go(tmp_path, *new, run="new", init_from=str(last))
    begun = RunDirectory(tmp_path / "new").step_path(0) / "model.safetensors"
    assert begun.read_bytes() == (last / "model.safetensors").read_bytes()


# Signals and errors inside it.


def test_a_signal_in_a_callback_keeps_the_others_exact(tmp_path: Path) -> None:
    kill = At(5, partial(os.kill, os.getpid(), signal.SIGINT))
    with chefgenius.Stop() as stop, pytest.raises(chefgenius.StopRequested, match="; step 5 is saved"):
        go(tmp_path, callbacks=[kill, Counting()], stop=stop)
    assert_goes_on(tmp_path, callbacks=[Counting()])


def test_an_exit_in_a_callback_keeps_the_others_exact(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"`exit\(3\)` called inside the run; step 5 is saved"):
        go(tmp_path, callbacks=[ending(5, SystemExit(3)), Counting()])
    assert_goes_on(tmp_path, callbacks=[Counting()])


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


def test_an_error_at_the_end_says_that_all_is_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gone by now") as caught:
        go(tmp_path, callbacks=[Ends(first=False, last=True)])
    assert caught.value.__notes__ == ["step 10 is saved"]
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
    with pytest.raises(TypeError, match=r"give a list, \['threads'\]"):
        go(tmp_path, allow_change="threads")
    with pytest.raises(TypeError, match=r"give a list, \['train.max_steps=3'\]"):
        chefgenius.load_config(None, "train.max_steps=3")
    assert not list(tmp_path.glob("run*"))


def test_callbacks_may_come_from_a_generator(tmp_path: Path) -> None:
    counting = Counting()
    go(tmp_path, "train.max_steps=3", callbacks=(one for one in [counting]))
    assert counting.steps == 3
