"""A callback may remember: its state is saved with each boundary and comes back, or is told to be gone."""

import json
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks import Callback, States, StepInfo
from chefgenius.run.state import ResumeError
from fitting import QUIET, Counting, fit, metrics, stop_at
from running import assert_same_run, opened, outcome, run_here


@pytest.mark.parametrize("step", [4, 7])
def test_a_state_survives_a_stop_exactly(tmp_path: Path, step: int) -> None:
    """4: the stop comes in the evaluation, which is made up for; with two callbacks of one class."""
    whole = (Counting("one"), Counting("two"))
    fit(tmp_path, run="whole", callbacks=whole)
    stop_at(tmp_path, step=step, callbacks=(Counting("one"), Counting("two")))
    again = (Counting("one"), Counting("two"))
    fit(tmp_path, callbacks=again)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert [one.seen for one in again] == [one.seen for one in whole]
    assert again[0].steps == 10
    states = outcome(tmp_path / "run")["sections"]["callbacks"]
    assert list(states) == ["one", "two"]


class Failing(Callback):
    def on_step_end(self, info: StepInfo) -> None:
        if info.step == 5:
            raise RuntimeError("no")


def test_the_failure_of_another_costs_no_count(tmp_path: Path) -> None:
    """The boundary is saved when every callback was told of it, whichever failed."""
    for number, failing in enumerate(([Failing(), Counting()], [Counting(), Failing()])):
        run = f"run-{number}"
        with (
            opened(tmp_path, *QUIET, run=run, callbacks=failing) as trainer,
            pytest.raises(RuntimeError, match="no"),
        ):
            trainer.fit()
        fit(tmp_path, *QUIET, run=run, callbacks=(Counting(),))
    fit(tmp_path, *QUIET, run="whole", callbacks=(Counting(),))
    assert_same_run(tmp_path / "run-0", tmp_path / "whole")
    assert_same_run(tmp_path / "run-1", tmp_path / "whole")


def test_a_callback_that_comes_or_goes_is_told_and_changes_nothing(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, run="whole")
    stop_at(tmp_path, *QUIET, step=4, callbacks=(Counting("old"), Counting("both")))
    told: list[str] = []
    states = States([Counting("both"), Counting("new")], told.append)
    saved = outcome(tmp_path / "run")["sections"]["callbacks"]
    states.load_state_dict(saved)
    assert told == [
        "callback `new` is new here: it begins without a saved state",
        "callback `old` is not here any more: its saved state is dropped",
    ]
    assert states.state_dict() == {"both": saved["both"], "new": {"steps": 0, "seen": ""}}
    new = Counting("new")
    fit(tmp_path, *QUIET, callbacks=(new,))
    assert new.steps == 6
    run, whole = outcome(tmp_path / "run"), outcome(tmp_path / "whole")
    assert (run["model"], run["optimizer"]) == (whole["model"], whole["optimizer"])
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


def test_a_start_tells_of_a_state_that_is_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop_at(tmp_path, *QUIET, step=4, callbacks=(Counting("mine"),))
    for words in (["--explain"], []):
        assert run_here(tmp_path, *QUIET, *words) == 0
        assert "callback `mine` is not here any more: its saved state is dropped\n" in capsys.readouterr().out


def test_a_state_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    stop_at(tmp_path, *QUIET, step=4, callbacks=(Counting(),))

    class Other(Counting):
        def load_state_dict(self, state: dict[str, Any]) -> None:
            raise KeyError("count")

    with (
        pytest.raises(ResumeError, match="callback `Counting`: KeyError: 'count'"),
        opened(tmp_path, *QUIET, callbacks=[Other()]),
    ):
        pass


@pytest.mark.parametrize("bad", [{"x": {1, 2}}, {"x": float("nan")}, {"x": (1, 2)}, {1: 2}, [], "text"])
def test_a_state_that_json_does_not_give_back_is_an_error(bad: Any) -> None:
    class Odd(Counting):
        def state_dict(self) -> dict[str, Any]:
            return bad  # type: ignore[no-any-return]

    with pytest.raises(TypeError, match="callback `Counting`"):
        States([Odd()], print).state_dict()


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="two callbacks are named `Counting`"):
        States([Counting(), Counting()], print)
    assert States([Callback(), Callback()], print).state_dict() == {}
    assert json.dumps(States([Counting("a")], print).state_dict()) == '{"a": {"steps": 0, "seen": ""}}'
