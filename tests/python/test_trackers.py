"""The built-in callbacks that look at a run from outside: what they write, and that they never stop it."""

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks import (
    Callback,
    JsonLines,
    RunInfo,
    StepInfo,
    SystemMonitor,
    TensorBoard,
    Webhook,
    WeightsAndBiases,
    choose_callbacks,
    choose_console,
    guarded,
)
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.run.signals import StopRequested
from chefgenius.settings import options
from chefgenius.settings.config import ConfigError
from chefgenius.training.boundary import Boundary
from fitting import QUIET, Counting, StopAt, fit, metrics
from running import opened, outcome, run_here

STEP = StepInfo(10, 100, 0, 1.25, 3e-4, 0.5, 160.4, 19_000.7, 125.0)
EVALUATION = Evaluation(10, 0, 2.0, 100, 5, {"parsed": 0.5, "bleu": None})


def scalars(place: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads of a directory."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    read = EventAccumulator(str(place), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_has_every_step_once_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process is killed at step 6 with step 3 saved; the second goes on from there."""

    class Killed(Exception):
        pass

    class Kill(Callback):
        def on_step_end(self, info: StepInfo) -> None:
            if info.step == 6:
                raise Killed

    watched = ("eval.every_steps=3", "checkpoint.every_steps=3")
    with opened(tmp_path, *watched, callbacks=[TensorBoard(), Kill()]) as trainer:
        monkeypatch.setattr(Boundary, "rescue_after", lambda *_: "killed")
        with pytest.raises(Killed):
            trainer.fit()
    fit(tmp_path, *watched, callbacks=(TensorBoard(),))
    place = tmp_path / "run" / "tensorboard"
    assert len([*(place / "train").iterdir()]) == 2
    train, validation = scalars(place / "train"), scalars(place / "validation")
    lines = metrics(tmp_path / "run")
    assert [step for step, _ in train["loss"]] == list(range(1, 11))
    assert [value for _, value in train["loss"]] == pytest.approx([line["loss"] for line in lines])
    assert {"learning_rate", "grad_norm", "speed/tokens_per_second"} < set(train)
    evaluations = metrics(tmp_path / "run", "evaluation")
    losses = [line["validation_loss"] for line in evaluations]
    assert [value for _, value in validation["loss"]] == pytest.approx(losses)
    assert [step for step, _ in validation["loss"]] == [0, 3, 6, 9, 10]
    assert "evaluation/parsed" in validation


def test_tensorboard_has_an_evaluation_once_that_is_made_up_for(tmp_path: Path) -> None:
    """Another callback fails after TensorBoard was told of the evaluation, which is then done again."""

    class Fail(Callback):
        def on_eval_end(self, evaluation: Evaluation) -> None:
            if evaluation.step == 4:
                raise RuntimeError("once")

    with (
        opened(tmp_path, callbacks=[TensorBoard(), Fail()]) as trainer,
        pytest.raises(RuntimeError, match="once"),
    ):
        trainer.fit()
    fit(tmp_path, callbacks=(TensorBoard(),))
    found = scalars(tmp_path / "run" / "tensorboard" / "validation")
    assert [step for step, _ in found["loss"]] == [0, 4, 8, 10]


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", got
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_webhook_is_told_of_start_evaluations_checkpoints_and_end(
    tmp_path: Path, server: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = server
    monkeypatch.setenv("MY_HOOK", f"{url}/hook")
    assert run_here(tmp_path, "log.webhook=$MY_HOOK", "train.max_steps=4", "eval.every_steps=2") == 0
    events = [one["event"] for one in got]
    assert (events[0], events[-1]) == ("start", "end")
    assert [one["step"] for one in got if one["event"] == "evaluation"] == [0, 2, 4]
    assert "saved" in events
    assert all(one["run"] == str(tmp_path / "run") for one in got)
    line = metrics(tmp_path / "run", "evaluation")[-1]
    (last,) = (one for one in got if one["event"] == "evaluation" and one["step"] == 4)
    assert {name: last[name] for name in line if name != "kind"} == {
        name: value for name, value in line.items() if name != "kind"
    }
    assert url not in (tmp_path / "run" / "config.yaml").read_text()
    assert url not in json.dumps(outcome(tmp_path / "run")["sections"]), "a secret stands in no checkpoint"


@pytest.mark.parametrize("path", ["closed", "broken"])
def test_a_webhook_that_fails_is_told_once_and_stops_nothing(
    tmp_path: Path,
    server: tuple[str, list[dict[str, Any]]],
    path: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"{server[0]}/broken" if path == "broken" else "http://127.0.0.1:9"
    assert run_here(tmp_path, f"log.webhook={url}", "train.max_steps=3", "eval.every_steps=1") == 0
    told = capsys.readouterr().out
    assert told.count("warning: `Webhook` failed and is not told of again, the run goes on: ") == 1


def test_a_webhook_that_does_not_answer_holds_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chefgenius.callbacks import webhook

    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    wait = threading.Event()
    monkeypatch.setattr(webhook, "urlopen", lambda *_, **__: wait.wait(20))
    hook = guarded(Webhook("http://127.0.0.1:9"), print)
    begin = time.perf_counter()
    hook.on_train_start(RunInfo(tmp_path, 0, 10, 1))
    for _ in range(200):  # more than wait
        hook.on_eval_end(EVALUATION)
    hook.on_train_end(None)
    assert time.perf_counter() - begin < 5
    wait.set()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["log.webhook=$NO_SUCH_NAME"], "`log.webhook`: the environment has no `NO_SUCH_NAME`"),
        (["log.webhook=ftp://x"], "it must begin with http"),
        (["log.wandb=maybe"], "`log.wandb`"),
        (["log.system_every_seconds=0"], "`log.system_every_seconds`"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose_callbacks(options.load(None, words), print)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("word", "package"), [("log.tensorboard=true", "tensorboard"), ("log.wandb=offline", "wandb")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    word: str,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert run_here(tmp_path, word) == 2
    told = capsys.readouterr().err
    assert f"needs the package `{package}`: `pip install chefgenius[track]`" in told
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_the_system_monitor_writes_lines_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run" / "system.jsonl"
    watched = (*QUIET, "log.system_every_seconds=1e-9", "train.max_steps=3", "optim.schedule=constant")
    assert run_here(tmp_path, *watched) == 0
    with open(path, "a") as file:
        file.write('{"time": 1')  # a killed process was writing
    assert run_here(tmp_path, *watched, "train.max_steps=5") == 0
    lines = path.read_text().splitlines()
    assert len(lines) == 8
    steps = [json.loads(line)["step"] for line in lines if line != '{"time": 1']
    assert steps == [1, 2, 3, 3, 4, 5, 5]
    last = json.loads(lines[-1])
    assert last["process_memory"] > 10**7
    assert 0 < last["memory_available"] < last["memory_total"]
    assert last["disk_free"] > 0
    assert last["cpu"] >= 0
    assert "cpu" not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_looking_changes_no_bit(tmp_path: Path) -> None:
    assert run_here(tmp_path, "train.max_steps=3", run="plain") == 0
    looks = ("log.tensorboard=true", "log.system_every_seconds=1e-9", "log.webhook=http://127.0.0.1:9")
    assert run_here(tmp_path, "train.max_steps=3", *looks, "log.console=json", run="watched") == 0
    one, other = outcome(tmp_path / "plain"), outcome(tmp_path / "watched")
    for name in ("model", "optimizer", "metrics", "samples"):
        assert one[name] == other[name], name


def test_json_lines_tell_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, "log.console=json", "train.max_steps=3", "log.every_steps=2") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [one["event"] for one in events]
    assert kinds[0] == "message"
    assert [one["step"] for one in events if one["event"] == "step"] == [2, 3]
    assert [one["step"] for one in events if one["event"] == "evaluation"] == [0, 3]
    assert events[-1] == {
        "event": "end",
        "finished": True,
        "step": 3,
        "early": "",
        "best": events[-1]["best"],
    }
    assert isinstance(choose_console(options.load(None, ["log.console=json"])), JsonLines)
    text = io.StringIO()
    JsonLines(text).on_train_end(None)
    assert json.loads(text.getvalue()) == {"event": "end", "finished": False}


def test_a_guard_passes_everything_on_and_keeps_the_state(tmp_path: Path) -> None:
    told: list[str] = []
    inner = Counting()
    guard = guarded(inner, told.append)
    guard.on_step_end(STEP)
    guard.on_eval_end(EVALUATION)
    assert (guard.name, inner.steps) == ("Counting", 1)
    assert guard.state_dict() == inner.state_dict()  # type: ignore[attr-defined]
    guard.load_state_dict({})  # type: ignore[attr-defined]
    guard.load_state_dict({})  # type: ignore[attr-defined]
    assert len(told) == 1
    assert inner.steps == 1
    assert not hasattr(guarded(SystemMonitor(1.0), print), "state_dict")


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_goes_on_with_the_same_run_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb"))
    first = WeightsAndBiases("mine", "offline", {"seed": 1})
    with opened(tmp_path, *QUIET, "train.max_steps=4", callbacks=[first]) as trainer:
        trainer.callbacks = [first, StopAt(trainer.stop, step=2)]
        with pytest.raises(StopRequested):
            trainer.fit()
    saved = outcome(tmp_path / "run")["sections"]["callbacks"]
    assert saved == {"wandb": {"id": first.id}}
    assert first.id
    second = WeightsAndBiases("mine", "offline", {"seed": 1})
    fit(tmp_path, *QUIET, "train.max_steps=4", callbacks=(second,))
    assert second.id == first.id
    places = [
        path.name for path in (tmp_path / "run" / "wandb").iterdir() if path.name.startswith("offline-run")
    ]
    assert len(places) in (1, 2)  # two begun in one second share a directory
    assert all(name.endswith(f"-{first.id}") for name in places)


def test_weights_and_biases_that_cannot_begin_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    def refused(**_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(wandb, "init", refused)
    assert run_here(tmp_path, *QUIET, "log.wandb=online", "train.max_steps=2") == 0
    told = capsys.readouterr().out
    assert told.count("warning: `wandb` failed") == 1
    assert "OSError: no network" in told
