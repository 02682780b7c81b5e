"""A run as a block of Python, in the ways of a notebook: interrupted, and run again at once."""

import errno
import os
import signal
import time
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import chefgenius
import pytest
from chefgenius.run import rundir
from chefgenius.run.manifest import write_file
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.training import checkpoint
from chefgenius.training.trainer import Trainer
from fitting import At, StopAt, assert_goes_on, ending, go, silent
from running import words

EVERY = ("checkpoint.every_steps=1", "checkpoint.keep=9")


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
    assert said[-1].startswith("saving step 3: OSError: ")
    assert said[-1].endswith("; the next start goes on from step 2")
    monkeypatch.undo()
    assert_goes_on(tmp_path, *EVERY)


def test_an_interrupt_while_the_lock_is_let_go_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rundir._file

    def interrupted(descriptor: int) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return plain(descriptor)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, callbacks=[At(4, lambda: monkeypatch.setattr(rundir, "_file", interrupted))])
    monkeypatch.undo()
    assert_goes_on(tmp_path)


def test_a_machine_without_threads_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Thread, "start", refuse)  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="can't start new thread") as caught:
            go(tmp_path)
    assert caught.value.__notes__[0].startswith("nothing is saved")
    assert_goes_on(tmp_path)


def test_a_thread_that_trains_is_stopped_with_its_block(tmp_path: Path) -> None:
    config = chefgenius.load_config(None, words(tmp_path))
    begun, ends = Event(), list[BaseException]()
    with chefgenius.open_run(config, callbacks=[At(2, begun.set)], say=silent) as trainer:

        def train() -> None:
            try:
                trainer.fit()
            except chefgenius.StopRequested as error:
                ends.append(error)

        thread = Thread(target=train)
        thread.start()
        assert begun.wait(60)
    steps = RunDirectory(tmp_path / "run").steps()
    thread.join(60)
    assert str(ends[0]) == f"stopped on request (its block has ended); step {steps[0]} is saved"
    assert_goes_on(tmp_path)


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
