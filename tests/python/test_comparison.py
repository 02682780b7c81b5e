import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chefgenius.run.comparison import UnfitError, compare, compare_logs, open_side
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from stored import add_checkpoint, flip, weights


def found(folder: Path, b: dict[str, Any], step: int = 4) -> list[tuple[str, str, str, bool]]:
    """How a plain checkpoint of step 4 differs from another one."""
    for name, changes in (("a", {"step": 4}), ("b", {"step": step, **b})):
        add_checkpoint(RunDirectory(folder / name), **changes)
    sides = [open_side(RunDirectory(folder / name).step_path(one)) for name, one in (("a", 4), ("b", step))]
    made = [(one.kind, one.name, one.told, one.counts) for one in compare(*sides)]
    mirrored = [one.name for one in compare(*reversed(sides))]
    assert sorted(mirrored) == sorted(name for _, name, _, _ in made)
    return made


def test_equal_checkpoints_differ_in_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, {}) == []


def test_where_and_how_fast_a_run_went_does_not_count(tmp_path: Path) -> None:
    changes = {"config": {"run_dir": "runs/b"}, "logs": {"timing.jsonl": {"bytes": 1}}}
    assert found(tmp_path, changes) == [
        ("free", "run_dir", '"runs/a" in a, "runs/b" in b', False),
        ("section", "logs.timing.jsonl.bytes", "28 in a, 1 in b", False),
    ]


def test_settings_and_facts_have_their_class(tmp_path: Path) -> None:
    changes = {
        "config": {"seed": 7, "optim.learning_rate": 0.1, "log.every_steps": 5},
        "facts": {"store": "b3:9", "tokenizer": "b3:8", "strange": 1, "torch": "2.16.0", "threads": 2},
    }
    assert found(tmp_path, changes) == [
        ("exactness", "seed", "42 in a, 7 in b", True),
        ("free", "optim.learning_rate", "0.005 in a, 0.1 in b", True),
        ("free", "log.every_steps", "absent in a, 5 in b", True),
        ("exactness", "store", '"b3:1" in a, "b3:9" in b', True),
        ("identity", "tokenizer", '"b3:2" in a, "b3:8" in b', True),
        ("version", "torch", '"2.15.0" in a, "2.16.0" in b', True),
        ("exactness", "threads", "1 in a, 2 in b", True),
        ("exactness", "strange", "absent in a, 1 in b", True),
    ]


def test_every_section_is_compared_to_its_leaves(tmp_path: Path) -> None:
    changes = {
        "progress": {"index": 3},
        "evaluation": {"first": None, "last": {"step": 2, "validation_loss": 1.25}},
        "extra": {"long": "x" * 100, "none": None},
    }
    assert found(tmp_path, changes) == [
        ("counter", "progress.index", "0 in a, 3 in b", True),
        ("section", "evaluation.last.step", "4 in a, 2 in b", True),
        ("section", "evaluation.last.validation_loss", "1.5 in a, 1.25 in b", True),
        ("section", "extra", 'absent in a, {"long": "' + "x" * 47 + "... in b", True),
    ]


def test_tensors_are_compared_by_their_bits(tmp_path: Path) -> None:
    model = weights(4)
    model["a.weight"][1, 2] += 0.5
    model["c"] = np.zeros(1, np.float32)
    assert found(tmp_path, {"model": model}) == [
        ("tensor", "model a.weight", "F32 [2, 3]: 1 of 6 elements differ, most by 0.5 at [1, 2]", True),
        ("tensor", "model c", "only in b, F32 [1]", True),
    ]


def test_another_step_is_told_first(tmp_path: Path) -> None:
    told = found(tmp_path, {}, step=5)
    assert ("section", "evaluation.last.step", "4 in a, 5 in b", True) in told
    assert told[0] == ("step", "step", "4 in a, 5 in b", True)
    assert [name for kind, name, _, _ in told if kind == "tensor"] == [
        "model a.weight",
        "optim a.weight/exp_avg",
    ]


def test_a_damaged_side_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    add_checkpoint(run, 4)
    flip(run, 4)
    with pytest.raises(UnfitError, match="is damaged: the checksum of"):
        open_side(run.step_path(4))
    add_checkpoint(run, 5, config={"seed": 1})
    assert open_side(run.step_path(5)).manifest.step == 5


def test_another_version_of_the_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stored.STATE_SCHEMA", "chefgenius.state/9")
    add_checkpoint(RunDirectory(tmp_path), 4)
    with pytest.raises(ResumeError, match=r"chefgenius\.state/9"):
        open_side(RunDirectory(tmp_path).step_path(4))


@pytest.mark.parametrize(
    ("b", "told"),
    [
        ([1, 2, 3], []),
        ([1, 2], [("metrics.jsonl, line 3", "only in a")]),
        ([1, 2, 3, 4], [("metrics.jsonl, line 4", "only in b")]),
        ([1, 5, 6], [("metrics.jsonl, line 2", "`loss` 2 in a, 5 in b")]),
        (["x"], [("metrics.jsonl, line 1", '`loss` 1 in a, "x" in b')]),
    ],
)
def test_the_first_line_that_differs_is_told(tmp_path: Path, b: list[Any], told: list[Any]) -> None:
    for name, losses in (("a", [1, 2, 3]), ("b", b)):
        (tmp_path / name).mkdir()
        lines = "".join(json.dumps({"loss": loss}) + "\n" for loss in losses)
        (tmp_path / name / "metrics.jsonl").write_text(lines)
    assert [(one.name, one.told) for one in compare_logs(tmp_path / "a", tmp_path / "b")] == told


def test_lines_that_are_no_json_differ_all_the_same(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "{ ")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(text)
    assert [one.told for one in compare_logs(tmp_path / "a", tmp_path / "b")] == ["the bytes differ"]


def test_a_log_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for name, place in (("a", Path.touch), ("b", os.mkfifo)):
        (tmp_path / name).mkdir()
        place(tmp_path / name / "metrics.jsonl")
    with pytest.raises(ResumeError, match="is no plain file"):
        list(compare_logs(tmp_path / "a", tmp_path / "b"))


def test_a_state_deeper_than_any_is_refused(tmp_path: Path) -> None:
    add_checkpoint(RunDirectory(tmp_path), 4)
    side = open_side(RunDirectory(tmp_path).step_path(4))
    nested: dict[str, Any] = {}
    for _ in range(2000):
        nested = {"a": nested}
    sides = [replace(side, sections={**side.sections, "strange": one}) for one in (nested, {"a": nested})]
    with pytest.raises(UnfitError, match="nested deeper than any state"):
        list(compare(*sides))


def test_a_file_that_holds_no_tensors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_checkpoint(RunDirectory(tmp_path / "a"), 4)
    monkeypatch.setattr("stored.save", lambda tensors: b"\x08\0\0\0\0\0\0\0[1, 2]  ")
    add_checkpoint(RunDirectory(tmp_path / "b"), 4)
    sides = [open_side(RunDirectory(tmp_path / name).step_path(4)) for name in ("a", "b")]
    with pytest.raises(UnfitError, match=r"model\.safetensors` holds no tensors"):
        list(compare(*sides))
