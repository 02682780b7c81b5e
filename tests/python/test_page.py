"""The callback that has report.html written, by a process that is none of training's business."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks import Outcome, ReportPage, RunInfo, StepInfo, guarded
from chefgenius.callbacks import page as module
from handmade import wait_for, write_run

STEP = StepInfo(10, 100, 0, 1.25, 3e-4, 0.5, 160.4, 19_000.7, 125.0)


class Clock:
    """The seconds that the callback sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("chefgenius.callbacks.page.time.monotonic", lambda: self.now)


class Process:
    """What stands for a process: it ends when it is told to."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        self.arguments, self.options = arguments, options
        self.returncode: int | None = None
        self.killed = False
        self.words = b""
        self.at_once: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, seconds: float) -> int:
        if self.at_once is None:
            raise subprocess.TimeoutExpired(self.arguments, seconds)
        self.returncode = self.at_once
        return self.at_once

    def communicate(self) -> tuple[bytes, bytes]:
        return b"", self.words

    def kill(self) -> None:
        self.killed, self.returncode = True, -9


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that were begun."""
    found: list[Process] = []

    def begin(*arguments: Any, **options: Any) -> Process:
        found.append(Process(*arguments, **options))
        return found[-1]

    monkeypatch.setattr("chefgenius.callbacks.page.subprocess.Popen", begin)
    return found


def outcome(run: Path) -> Outcome:
    return Outcome(run, run / "checkpoints", 100, [], None, None, None, [])


def test_one_page_at_a_time_and_not_too_often(
    tmp_path: Path, begun: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, page = Clock(monkeypatch), ReportPage()
    page.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    page.on_step_end(STEP)
    assert begun == []
    clock.now += 20
    for _ in range(3):
        page.on_step_end(STEP)
    assert len(begun) == 1, "it still runs"
    assert begun[0].arguments[1:] == ["-m", "chefgenius.report", "--during", "--", str(tmp_path)]
    clock.now += 9
    begun[0].returncode = 0
    page.on_step_end(STEP)
    clock.now += 179
    page.on_step_end(STEP)
    assert len(begun) == 1, "it took 9 seconds, so the next one waits for 20 times as long"
    clock.now += 1
    page.on_step_end(STEP)
    assert len(begun) == 2


def test_the_page_at_the_end_is_waited_for(tmp_path: Path, begun: list[Process]) -> None:
    page = ReportPage()
    page.on_train_end(None)
    assert begun == [], "a run that did not begin has no page"
    page.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    with pytest.raises(TimeoutError, match=r"not ready in 60 s: write it with `chefgenius report"):
        page.on_train_end(outcome(tmp_path))
    assert begun[0].killed
    assert begun[0].arguments[1:] == ["-m", "chefgenius.report", "--", str(tmp_path)]
    with pytest.raises(TimeoutError, match="not begun in 5 s"):
        page.on_train_end(None)
    assert begun[1].arguments[3] == "--after"


def test_a_stop_does_not_wait_for_its_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", steps=5)
    page = ReportPage()
    page.on_train_start(RunInfo(run, 0, 100, 5))
    page.on_train_end(None)
    assert page._process is None
    wait_for(lambda: None, run / "report.html")


def test_a_page_that_is_out_of_date_is_given_up_at_the_end(
    tmp_path: Path, begun: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, page = Clock(monkeypatch), ReportPage()
    page.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    clock.now += 30
    page.on_step_end(STEP)
    monkeypatch.setattr(Process, "wait", lambda self, seconds: setattr(self, "returncode", 0))
    page.on_train_end(outcome(tmp_path))
    assert [one.killed for one in begun] == [True, False]


def test_a_page_that_failed_is_one_warning(
    tmp_path: Path, begun: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, told = Clock(monkeypatch), list[str]()
    page = guarded(ReportPage(), told.append)
    page.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    for _ in range(3):
        clock.now += 1000
        page.on_step_end(STEP)
        begun[-1].returncode, begun[-1].words = 74, b"warning: x\nerror: `report.html`: No space left\n"
        page.on_step_end(STEP)
    assert len(begun) == 3
    assert told == [
        "warning: `ReportPage` failed and is not told of again, the run goes on: "
        "RuntimeError: report.html was not written: error: `report.html`: No space left"
    ]


def test_its_process_has_the_lowest_priority_and_threads_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, which tells of itself in place of the page."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    look = (
        "import os, sys; sys.argv[:2] = ['report']\n"
        "from chefgenius import report\n"
        "report._step_back()\n"
        "names = ('OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES')\n"
        "told = [os.getsid(0) == os.getpid(), os.nice(0), *map(os.environ.get, names)]\n"
        "told.append(os.sched_getscheduler(0) == os.SCHED_IDLE)\n"
        "open(sys.argv[-1] + '/seen', 'w').write(repr(told))"
    )
    begin = subprocess.Popen

    def other(arguments: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        assert arguments[0] == sys.executable
        return begin([sys.executable, "-c", look, *arguments[3:]], **options)

    monkeypatch.setattr("chefgenius.callbacks.page.subprocess.Popen", other)
    page = ReportPage()
    page.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    page.on_train_end(outcome(tmp_path))
    assert (tmp_path / "seen").read_text() == "[True, 19, '1', '', True]"


def test_a_real_page_appears_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", steps=5, finished=None)
    (run / "starts.jsonl").write_text('{"event": "start", "step": 0, "time": 1.0}\n')
    monkeypatch.setattr(module, "FIRST", 0.0)
    page = ReportPage()
    page.on_train_start(RunInfo(run, 0, 100, 5))
    wait_for(lambda: page.on_step_end(replace(STEP, step=5)), run / "report.html")
    assert "training, at step 5 of 5" in (run / "report.html").read_text()
    page._end()
