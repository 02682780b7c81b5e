"""Runs that go on although something differs, each kind of difference once, with its leave and without."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from chefgenius.model import compute
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.training import build
from running import opened, outcome, run_here
from samples import recipes, write_lines

# 11 micro-batches of 4 in 6 steps an epoch; step 4 stands at epoch 0, micro-batch 8.
QUICK = ("eval.every_steps=0", "optim.schedule=constant")


def begun(folder: Path, steps: int = 4, run: str = "run") -> Path:
    assert run_here(folder, *QUICK, f"train.max_steps={steps}", run=run) == 0
    return folder / run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `at-4` and `at-6`, runs that stand there, and `whole`, which nothing happened to."""
    made = tmp_path_factory.mktemp("runs")
    for steps in (4, 6):
        begun(made, steps, f"at-{steps}")
    begun(made, 9, "whole")
    return made


@pytest.fixture
def name(folder: Path, request: pytest.FixtureRequest) -> str:
    """A run of one's own in `folder`, a copy of one that stands at step 4, or at `steps` of the test."""
    steps = getattr(request, "param", 4)
    made = f"run-{len(list(folder.iterdir()))}"
    shutil.copytree(folder / f"at-{steps}", folder / made)
    return made


def sections(run: Path) -> dict[str, Any]:
    directory = RunDirectory(run)
    state = json.loads((directory.step_path(directory.steps()[0]) / "state.json").read_bytes())
    found: dict[str, Any] = state["sections"]
    return found


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def go_on(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    *change: str,
    run: str = "run",
    steps: int = 8,
    allow: str = "",
) -> str:
    """Goes on with a change that is allowed by name, and is remembered; the output."""
    at = sections(folder / run)["progress"]["step"]
    given = (*QUICK, *change, f"train.max_steps={steps}", "--allow-change", allow or what)
    capsys.readouterr()
    assert run_here(folder, *given, run=run) == 0
    told = capsys.readouterr().out.replace("\n", " ")
    assert f"changed with leave: `{what}" in told
    assert f"not exact since step {at}: {what}" in told
    after = sections(folder / run)
    (made,) = after["exactness"]["changes"]
    assert made["step"] == at
    assert made["allowed"][0].startswith(what)
    facts = read_run_facts(folder / run)
    assert (facts["exact"], facts["not_exact_since"]) == (False, at)
    assert [line["step"] for line in lines(folder / run)] == list(range(1, steps + 1))
    return told


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("threads", "train.threads=2"),
        ("train.gradient_accumulation_steps", "train.gradient_accumulation_steps=3"),
    ],
)
def test_leave_is_needed_once(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], what: str, change: str
) -> None:
    assert run_here(folder, *QUICK, change, run=name) == 3
    error = capsys.readouterr().err
    assert f"\n  `{what}`: saved " in error
    assert f"--allow-change {what}`" in error
    go_on(folder, capsys, what, change, run=name, steps=5)
    assert run_here(folder, *QUICK, change, "train.max_steps=7", run=name) == 0
    assert "not exact since step 4: " in capsys.readouterr().out
    assert len(sections(folder / name)["exactness"]["changes"]) == 1


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("threads", "train.threads=2"),
        ("optim.betas", "optim.betas=[0.8,0.99]"),
        ("train.precision", "train.precision=bf16"),
        ("model.config", "model.config.dropout_rate=0.2"),
    ],
)
def test_other_arithmetic_goes_on_at_the_same_batch(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], what: str, change: str
) -> None:
    go_on(folder, capsys, what, change, run=name)
    found, expected = lines(folder / name), lines(folder / "whole")[:8]
    assert [line["digest"] for line in found] == [line["digest"] for line in expected], "the same records"
    assert [line["loss"] for line in found[:4]] == [line["loss"] for line in expected[:4]]
    if what != "threads":  # two may well add up as one does
        assert [line["loss"] for line in found] != [line["loss"] for line in expected]


def test_another_version_of_torch_goes_on(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = compute.facts
    monkeypatch.setattr(build, "facts", lambda *given, **named: {**plain(*given, **named), "torch": "9.9"})
    assert run_here(folder, *QUICK, run=name) == 3
    go_on(folder, capsys, "torch", run=name, steps=5)


def test_tombstones_go_on_at_the_same_batch(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out.txt").write_text("3\n7\n11\n")
    go_on(folder, capsys, "tombstones", f"data.tombstones={folder / 'out.txt'}", run=name, steps=9)
    found, expected = (sections(folder / run)["progress"] for run in (name, "whole"))
    assert found["samples"] < expected["samples"]
    assert (found["epoch"], found["index"]) == (expected["epoch"], expected["index"]) == (1, 6)


@pytest.mark.parametrize(
    ("what", "change", "name", "moved"),
    [
        ("seed", "seed=43", 4, True),
        ("seed", "seed=43", 6, False),
        ("data.validation_fraction", "data.validation_fraction=0.3", 4, True),
        ("data.split_seed", "data.split_seed=9", 4, True),
        ("data.split_seed", "data.split_seed=9", 6, False),
    ],
    indirect=["name"],
)
def test_another_order_goes_on_at_the_start_of_an_epoch(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], what: str, change: str, moved: bool
) -> None:
    steps = sections(folder / name)["progress"]["step"]
    told = go_on(folder, capsys, what, change, run=name, steps=steps + 3)
    if moved:
        assert f"the rest of epoch 0 is left out, going on with epoch 1: `{what}` is another" in told
    else:
        assert f"epoch 1 begins from its start: `{what}` is another" in told
    after = sections(folder / name)
    assert (after["progress"]["epoch"], after["progress"]["index"]) == (1, 6), "three steps of two"
    assert len(after["losses"]["epochs"]) == 1, "what was seen of the epoch has its mean"
    assert [line["epoch"] for line in lines(folder / name)] == [0] * steps + [1] * 3


def test_other_data_go_on_at_the_start_of_the_next_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path)
    write_lines(tmp_path / "recipes.jsonl", recipes(51))
    assert "`store` is another" in go_on(tmp_path, capsys, "store")
    assert [line["epoch"] for line in lines(tmp_path / "run")] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("what", "change", "slots"),
    [
        ("data.batch_size", "data.batch_size=6", 2),
        ("train.gradient_accumulation_steps", "train.gradient_accumulation_steps=3", 3),
        ("data.max_target_length", "data.max_target_length=30", 2),
        ("data.plan", "data.plan=fixed", 2),
    ],
)
def test_an_epoch_is_finished_with_the_batches_it_was_begun_with(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], what: str, change: str, slots: int
) -> None:
    told = go_on(folder, capsys, what, change, run=name, steps=5, allow=what.rpartition(".")[2])
    assert "epoch 0 is finished with the saved plan" in told
    assert run_here(folder, *QUICK, change, "train.max_steps=7", run=name) == 0, "from within that epoch"
    found, expected = lines(folder / name), lines(folder / "whole")
    seen = ("digest", "samples", "epoch")
    for one, other in zip(found[:6], expected, strict=False):
        assert [one[key] for key in seen] == [other[key] for key in seen], "each record once, in its step"
    after = sections(folder / name)["progress"]
    assert (after["epoch"], after["index"]) == (1, slots)
    assert after["samples"] > 45


def test_without_the_saved_plan_the_epoch_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path)
    for view in tmp_path.glob("stores/*/store-*/views/*"):
        view.unlink()
    told = go_on(tmp_path, capsys, "data.batch_size", "data.batch_size=6")
    assert "its plan is not kept, or holds other recipes" in told
    assert [line["epoch"] for line in lines(tmp_path / "run")] == [0] * 4 + [1] * 4


def test_a_plan_that_is_lost_later_can_be_left_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path)
    six = (*QUICK, "data.batch_size=6")
    assert run_here(tmp_path, *six, "train.max_steps=5", "--allow-change", "batch_size") == 0
    state = sections(tmp_path / "run")
    assert state["loader"]["plan"] != state["facts"]["plan"]
    for view in tmp_path.glob("stores/*/store-*/views/*"):
        view.unlink()
    capsys.readouterr()
    assert run_here(tmp_path, *six, "train.max_steps=7") == 3
    assert "or leave its epoch with `--allow-change plan`" in capsys.readouterr().err
    assert run_here(tmp_path, *six, "train.max_steps=7", "--allow-change", "plan") == 0
    changes = sections(tmp_path / "run")["exactness"]["changes"]
    assert [one["step"] for one in changes] == [4, 5]
    assert "the rest of epoch 0 is left out" in changes[1]["allowed"][0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("data.batch_size=8", 6 + 2 * 3),  # two steps are left of epoch 0, then two epochs of three
        ("train.gradient_accumulation_steps=4", 6 + 2 * 3),
        ("seed=43", 4 + 2 * 6),  # the rest of epoch 0 is left out
    ],
)
def test_epochs_end_the_run_after_what_is_left(folder: Path, name: str, change: str, expected: int) -> None:
    epochs = ("eval.every_steps=0", "train.max_steps=null", "train.epochs=3")
    what = change.partition("=")[0]
    assert run_here(folder, *epochs, change, "--allow-change", what, run=name) == 0
    after = sections(folder / name)["progress"]
    assert (after["step"], after["epoch"], after["index"]) == (expected, 3, 0)
    assert read_run_facts(folder / name)["finished"] == expected
    assert run_here(folder, *epochs, change, run=name) == 0, "finished is finished"
    assert RunDirectory(folder / name).steps()[0] == expected


def test_an_exact_run_of_epochs_ends_where_it_always_did(folder: Path, name: str) -> None:
    epochs = ("eval.every_steps=0", "optim.schedule=constant", "train.max_steps=null", "train.epochs=2")
    assert run_here(folder, *epochs, run=name) == 0
    found = outcome(folder / name)
    assert found["checkpoint"] == "step-00000012"
    assert found["metrics"].startswith(outcome(folder / "whole")["metrics"])
    facts = read_run_facts(folder / name)
    assert (facts["exact"], facts["not_exact_since"]) == (True, None)


def test_two_changes_are_both_remembered(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    go_on(folder, capsys, "seed", "seed=43", run=name, steps=5)
    both = (*QUICK, "seed=43", "train.threads=2", "train.max_steps=6", "--allow-change", "seed,threads")
    assert run_here(folder, *both, run=name) == 0
    assert "`seed` may change, and does not differ" in capsys.readouterr().out
    changes = sections(folder / name)["exactness"]["changes"]
    assert [(one["step"], one["allowed"][0]) for one in changes] == [
        (4, "seed: saved 42, here 43"),
        (5, "threads: saved 1, here 2"),
    ]
    assert "the rest of epoch 0" in changes[0]["allowed"][1]


def test_a_change_goes_with_the_run_into_another_directory(folder: Path) -> None:
    given = (*QUICK, "seed=43", "--allow-change", "seed", "--resume", str(folder / "at-4"))
    assert run_here(folder, *given, "train.max_steps=6", run="new") == 0
    assert sections(folder / "new")["exactness"]["changes"][0]["step"] == 4
    assert sections(folder / "at-4")["exactness"]["changes"] == []


def test_a_skipped_window_stays_left_out_unless_the_store_is_another(tmp_path: Path) -> None:
    begun(tmp_path)
    with opened(tmp_path, *QUICK, "train.max_steps=5") as trainer:
        trainer.tombstones.skip(4, [1, 2])
        trainer.fit()
    assert sections(tmp_path / "run")["tombstones"]["skipped"] == [{"step": 4, "records": [1, 2]}]
    assert run_here(tmp_path, *QUICK, "train.max_steps=6", "seed=43", "--allow-change", "seed") == 0
    assert sections(tmp_path / "run")["tombstones"]["skipped"]
    assert sections(tmp_path / "run")["loader"]["tombstones"]
    write_lines(tmp_path / "recipes.jsonl", recipes(51))
    assert run_here(tmp_path, *QUICK, "train.max_steps=7", "seed=43", "--allow-change", "store") == 0
    assert sections(tmp_path / "run")["tombstones"]["skipped"] == []
    assert sections(tmp_path / "run")["loader"]["tombstones"] == ""
