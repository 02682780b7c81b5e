import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from chefgenius.run import resume
from chefgenius.run.manifest import replace_file, to_json
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.run.state import ResumeError
from chefgenius.settings import options
from chefgenius.training.build import build_run
from chefgenius.training.built import Built
from chefgenius.training.dataset import prepare_data
from running import opened, run_here, words


def built(folder: Path, *overrides: str) -> Built:
    """A tiny run, checked and not begun."""
    config = options.load(None, words(folder, *overrides))
    origin = resume.decide(RunDirectory(config.run_path), "auto", lambda text: None)
    with ExitStack() as closing:  # the loader is put where the run goes on
        data = prepare_data(config, lambda text: None)
        closing.callback(data.close)
        return build_run(config, data, origin, lambda text: None)


@pytest.mark.parametrize(
    ("max_steps", "epochs", "expected"), [("7", "null", 7), ("null", "2", 12), ("7", "2", 7), ("99", "2", 12)]
)
def test_the_smaller_bound_ends_the_run(tmp_path: Path, max_steps: str, epochs: str, expected: int) -> None:
    made = built(tmp_path, f"train.max_steps={max_steps}", f"train.epochs={epochs}")
    assert made.schedule.total_steps == min(made.bounds.values()) == expected


def test_building_leaves_the_run_directory_alone(tmp_path: Path) -> None:
    made = built(tmp_path)
    assert not made.finished
    assert not (tmp_path / "run").exists()
    assert {"store", "tokenizer", "plan", "attention", "threads", "device"} <= set(made.facts)


def test_the_number_of_threads_is_kept(tmp_path: Path) -> None:
    assert run_here(tmp_path, "eval.every_steps=0", "train.max_steps=1", "train.threads=2") == 0
    assert built(tmp_path).facts["threads"] == 2
    with pytest.raises(ResumeError, match="`threads`: saved `2`, here `1`"):
        built(tmp_path, "train.threads=1")


def test_free_changes_are_listed(tmp_path: Path) -> None:
    assert run_here(tmp_path, "eval.every_steps=0", "train.max_steps=1") == 0
    free = built(tmp_path, "optim.learning_rate=1e-4").comparison.free
    assert [one.name for one in free] == ["optim.learning_rate", "train.max_steps", "eval.every_steps"]


def test_a_run_with_work_pending_is_finished_only_when_it_says_so(tmp_path: Path) -> None:
    quick = ("eval.every_steps=0", "train.max_steps=1")
    assert run_here(tmp_path, *quick) == 0
    assert built(tmp_path, *quick).finished
    assert not built(tmp_path).finished
    facts = read_run_facts(tmp_path / "run")
    assert facts["finished"] == 1
    with opened(tmp_path, "train.max_steps=2", "eval.every_steps=0") as trainer:
        trainer.memory.pending.work = ("eval",)
        trainer.schedule.total_steps = 1
        trainer.checkpoints.run.delete(1)
        trainer.checkpoints.save(trainer.registry.state_dict(), [])
        trainer.checkpoints.drain()
    assert read_run_facts(tmp_path / "run")["finished"] is None
    assert not built(tmp_path, *quick).finished
    replace_file(tmp_path / "run" / "run.json", to_json(facts))
    assert built(tmp_path, *quick).finished


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"[]", b'"x"', b"[" * 100_000, None])
def test_run_json_that_cannot_be_read_tells_nothing(tmp_path: Path, data: bytes | None) -> None:
    assert read_run_facts(tmp_path) == {}
    path = tmp_path / "run.json"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    assert read_run_facts(tmp_path) == {}


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (("train.max_steps=4",), "is at step 4, the last one. To go on raise `train.max_steps`, "),
        (
            ("train.max_steps=2",),
            "is at step 4, past `train.max_steps = 2`. To go on raise ",
        ),
        (
            ("train.max_steps=null", "train.epochs=1", "train.gradient_accumulation_steps=4"),
            "is at step 4, past `train.epochs = 1`. To go on raise `train.epochs`, ",
        ),
    ],
)
def test_a_finished_run_tells_where_it_is_and_what_binds_it(
    tmp_path: Path, bounds: tuple[str, ...], told: str
) -> None:
    quick = ("eval.every_steps=0", *bounds[2:])
    assert run_here(tmp_path, *quick, "train.max_steps=4") == 0
    made = built(tmp_path, *quick, *bounds)
    assert made.finished
    assert made.ending.startswith(told)


def test_a_checkpoint_that_contradicts_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here(tmp_path, "eval.every_steps=0", "train.max_steps=2") == 0
    plain = resume.read_sections

    def shifted(directory: Path) -> dict[str, dict[str, object]]:
        sections = json.loads(json.dumps(plain(directory)))
        sections["progress"]["index"] += 1
        changed: dict[str, dict[str, object]] = sections
        return changed

    monkeypatch.setattr(resume, "read_sections", shifted)
    with pytest.raises(ResumeError, match="contradicts itself"), opened(tmp_path):
        raise AssertionError("it was opened")


def test_loader_state_of_other_data_is_refused_by_the_witness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here(tmp_path, "eval.every_steps=0", "train.max_steps=2") == 0
    plain = resume.read_sections

    def changed(directory: Path) -> dict[str, dict[str, object]]:
        sections = plain(directory)
        sections["loader"]["witness"] = "x3:" + "0" * 32
        return sections

    monkeypatch.setattr(resume, "read_sections", changed)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with pytest.raises(ResumeError, match="witness"), opened(tmp_path):
        raise AssertionError("it was opened")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert read_run_facts(tmp_path) == {}
