import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chefgenius.run.disk import size_of
from chefgenius.run.inventory import (
    NotFoundError,
    Policy,
    find_checkpoint,
    find_run,
    policy_of,
    problem_of,
    read_evaluations,
    read_state,
    take,
)
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint, flip


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    for step in (0, 4, 6, 9):
        add_checkpoint(made, step, best_step=4, config={"checkpoint.keep_every_steps": 6})
    lines = [
        {"kind": "step", "step": 4, "loss": 9.0},
        {"kind": "evaluation", "step": 4, "validation_loss": 1.5},
        {"kind": "evaluation", "step": 9, "validation_loss": 2.5},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (made.path / "metrics.jsonl").write_text(text + '\n{"kind": "evaluation", "st')
    return made


def test_everything_that_stands_there_is_listed(run: RunDirectory) -> None:
    (run.checkpoints / "step-00000004.pinned").touch()
    os.utime(run.step_path(9) / "manifest.json", (0, 1_000_000))
    found = take(run)
    assert [one.step for one in found.checkpoints] == [9, 6, 4, 0]
    assert [one.marks for one in found.checkpoints] == [
        ("newest",),
        ("every",),
        ("best", "pinned"),
        ("every",),
    ]
    assert [one.validation_loss for one in found.checkpoints] == [2.5, None, 1.5, None]
    assert [one.epoch for one in found.checkpoints] == [2, 1, 1, 0]
    assert found.checkpoints[0].saved == datetime.fromtimestamp(1_000_000, UTC)
    assert all(one.problem is None for one in found.checkpoints)
    sizes = [sum(file.stat().st_size for file in one.path.iterdir()) for one in found.checkpoints]
    assert [one.size for one in found.checkpoints] == sizes
    assert found.size == sum(sizes)
    assert found.next == run.step_path(9)


def test_nothing_is_hashed_and_nothing_changes(run: RunDirectory) -> None:
    flip(run, 9)
    before = {path: path.lstat().st_mtime_ns for path in run.path.rglob("*")}
    assert take(run).next == run.step_path(9), "names and sizes are right"
    assert {path: path.lstat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_cut_file_is_a_problem_and_the_next_older_would_be_taken(run: RunDirectory) -> None:
    model = run.step_path(9) / "model.safetensors"
    size = model.stat().st_size
    os.truncate(model, size - 1)
    (run.step_path(6) / "manifest.json").unlink()
    found = take(run)
    assert [one.problem for one in found.checkpoints] == [
        f"`model.safetensors` has {size - 1} bytes instead of {size}",
        "`manifest.json` is missing",
        None,
        None,
    ]
    assert found.next == run.step_path(4) == find_checkpoint(run.path)
    assert [one.marks for one in found.checkpoints][2] == ("newest", "best")


def test_what_is_no_checkpoint_is_told_with_its_reason(run: RunDirectory) -> None:
    (run.checkpoints / ".tmp-step-00000012").mkdir()
    (run.checkpoints / ".tmp-step-00000012" / "model.safetensors").write_bytes(b"12345")
    (run.checkpoints / ".trash-step-00000001").mkdir()
    run.reject(9, "one bit is wrong")
    run.step_path(3).symlink_to(run.step_path(4))
    run.reject(3, "it is no directory")
    found = take(run)
    assert [(one.path.name, one.reason) for one in found.set_aside] == [
        ("corrupt-step-00000003", "it is no directory"),
        ("corrupt-step-00000009", "one bit is wrong"),
    ]
    assert [(one.path.name, one.size) for one in found.temporary] == [
        (".tmp-step-00000012", 5),
        (".trash-step-00000001", 0),
    ]
    assert found.size == sum(size_of(path) for path in run.checkpoints.iterdir()) - size_of(
        run.checkpoints / "corrupt-step-00000003.reason.txt"
    )


def test_a_run_without_a_checkpoint_is_empty(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    found = take(find_run(tmp_path))
    assert (found.checkpoints, found.set_aside, found.temporary, found.next) == ([], [], [], None)
    with pytest.raises(NotFoundError, match=r"run `.*` has no checkpoint yet: wait"):
        find_checkpoint(tmp_path)
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"kind": "step", "step": 3}\n')
    with pytest.raises(NotFoundError, match=r"are gone, its metrics.jsonl tells of steps: restore them"):
        find_checkpoint(tmp_path)
    (tmp_path / "config.yaml").touch()
    run.checkpoints.rmdir()
    for find in (find_run, find_checkpoint):
        with pytest.raises(NotFoundError, match=r"are gone, with `checkpoints` itself: restore them"):
            find(tmp_path)


def test_json_holds_plain_values(run: RunDirectory) -> None:
    values = take(run).to_json()
    assert values == json.loads(json.dumps(values))
    assert values["checkpoints"][0]["path"] == str(run.step_path(9))
    assert values["checkpoints"][0]["marks"] == ["newest"]
    assert datetime.fromisoformat(values["checkpoints"][0]["saved"]).tzinfo is not None


def test_what_is_not_there_is_an_error_that_says_what_to_give(run: RunDirectory) -> None:
    with pytest.raises(NotFoundError, match=r"no run in `.*/nowhere`: give a directory"):
        find_run(run.path / "nowhere")
    with pytest.raises(NotFoundError, match="no such checkpoint or run"):
        find_checkpoint(run.path / "nowhere")
    with pytest.raises(NotFoundError, match=r"no checkpoint of step 5: there are 9, 6, 4, 0"):
        find_checkpoint(run.path, 5)
    with pytest.raises(NotFoundError, match="one checkpoint, not a run of many"):
        find_checkpoint(run.step_path(4), 4)
    assert find_checkpoint(run.path, 4) == find_checkpoint(run.step_path(4)) == run.step_path(4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"sections": 1}',
        '{"sections": {"progress": [], "config": [], "best": 3}}',
        '{"sections": {"progress": {"epoch": "x"}, "config": {"checkpoint.keep": 1e999}, "best": {}}}',
        "[" * 100_000,
    ],
)
def test_a_broken_state_says_nothing(run: RunDirectory, text: str) -> None:
    (run.step_path(9) / "state.json").write_text(text)
    assert "seed" not in read_state(run.step_path(9))
    found = take(run)
    assert found.checkpoints[0].epoch is None
    assert found.checkpoints[2].marks == ("best",), "the next older state is asked"


def test_the_policy_is_that_of_the_newest_state_that_has_one() -> None:
    config = {"checkpoint.keep": 3, "checkpoint.keep_every_steps": 5, "checkpoint.keep_best": 1}
    kept = [{"value": 1.0, "step": 7}, {"value": 2.0, "step": 8}]
    best = {"metric": "validation_loss", "kept": kept}
    states: dict[int, dict[str, Any]] = {9: {"config": {}}, 8: {"config": config, "best": best}, 7: {}}
    assert policy_of(states) == Policy(Retention(3, 5), "validation_loss", [7])
    assert policy_of({9: {"config": config, "best": 3}}) is None
    assert policy_of({}) is None
    for junk in ("no such metric", 3, None):
        assert policy_of({9: {"config": config, "best": {"metric": junk, "kept": kept}}}) is None
    most = {"metric": "bleu", "kept": kept}
    assert policy_of({9: {"config": config, "best": most}}) == Policy(Retention(3, 5), "bleu", [8])


@pytest.mark.parametrize("every", [0, -3, 1.5, "x", True, []])
def test_a_policy_that_is_none_is_not_followed(every: Any) -> None:
    config = {"checkpoint.keep": 3, "checkpoint.keep_best": 1, "checkpoint.keep_every_steps": every}
    best = {"metric": "validation_loss", "kept": []}
    assert policy_of({9: {"config": config, "best": best}}) is None


def test_evaluations_need_no_file(tmp_path: Path) -> None:
    assert read_evaluations(tmp_path) == {}


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "evaluation", "step": 4, "validation_loss": 1' + "0" * 400 + "}",
        '{"kind": "evaluation", "step": Infinity, "validation_loss": 1.0}',
        '[{"kind": "evaluation"}]',
        "[" * 100_000 + '"kind": "evaluation"',
    ],
)
def test_a_line_of_junk_tells_no_loss(run: RunDirectory, line: str) -> None:
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write(f"\n{line}\n")
    read = read_evaluations(run.path)
    assert {step: one["validation_loss"] for step, one in read.items()} == {4: 1.5, 9: 2.5}


@pytest.mark.parametrize("place", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_plain_file_is_not_waited_for(run: RunDirectory, place: Callable[[Path], None]) -> None:
    (run.path / "metrics.jsonl").unlink()
    place(run.path / "metrics.jsonl")
    aside = run.reject(6, "whatever")
    (aside / "reason.txt").unlink()
    place(aside / "reason.txt")
    signal.alarm(60)
    found = take(run)
    signal.alarm(0)
    assert [one.validation_loss for one in found.checkpoints] == [None] * 3
    assert [one.reason for one in found.set_aside] == ["without a reason"]


def test_a_tree_of_any_depth_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert size_of(tmp_path) == 3
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # deeper than rmtree goes


def test_a_year_that_no_calendar_has_is_no_time(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some file systems keep them: the directory says when, or nobody does."""
    lstat = Path.lstat

    def far(path: Path) -> Any:
        found = lstat(path)
        return SimpleNamespace(st_mtime=1e15, st_size=found.st_size, st_mode=found.st_mode)

    monkeypatch.setattr(Path, "lstat", far)
    assert take(run).checkpoints[0].saved == datetime.fromtimestamp(0, UTC)


def test_a_link_is_a_problem(run: RunDirectory) -> None:
    run.step_path(12).symlink_to(run.step_path(9))
    assert problem_of(run.step_path(12)) == "it is no directory"


def test_what_is_kept_is_not_read_from_a_damaged_one(run: RunDirectory) -> None:
    before = take(run)
    add_checkpoint(run, 99, best_step=99)
    (run.step_path(99) / "empty.txt").unlink()
    run.step_path(97).symlink_to(run.step_path(99))
    found = take(run)
    assert [one.step for one in found.checkpoints[:2]] == [99, 97]
    assert all(one.problem and one.epoch is None and not one.marks for one in found.checkpoints[:2])
    assert found.checkpoints[2:] == before.checkpoints
