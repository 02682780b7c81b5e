import json
from pathlib import Path
from typing import Any

import pytest
from chefgenius.run.descent import write_descent
from chefgenius.run.manifest import seal, to_json, write_file
from chefgenius.run.resume import STATE_SCHEMA, decide
from chefgenius.run.rundir import FILES, RUN_SCHEMA, RunDirectory
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import Config, flatten

FACTS = {"store": "b3:1", "tokenizer": "b3:2", "plan": "b3:3", "threads": 1, "torch": "2"}


def put(run: RunDirectory, *steps: int, schema: str = STATE_SCHEMA, **sections: Any) -> RunDirectory:
    """Checkpoints that hold nothing but a state."""
    for step in steps:
        path = run.step_path(step)
        path.mkdir(parents=True)
        filled = {"progress": {"step": step}, "config": flatten(Config()), "facts": FACTS, **sections}
        state = to_json({"schema": schema, "sections": filled})
        seal(path, step, {}, {"state.json": write_file(path / "state.json", [state])})
    return run


def damage(run: RunDirectory, step: int) -> None:
    (run.step_path(step) / "state.json").write_bytes(b"{}")


def choose(run: RunDirectory, wish: str = "auto", **options: Any) -> tuple[int | None, list[str]]:
    """The step that is chosen, and what was said."""
    said: list[str] = []
    origin = decide(run, wish, said.append, **options)
    return None if origin is None else origin.step, said


def refusal(run: RunDirectory, wish: str = "auto") -> str:
    with pytest.raises(ResumeError) as error:
        decide(run, wish, lambda text: None)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


def test_an_unused_directory_begins(run: RunDirectory) -> None:
    assert choose(run) == (None, [])
    assert choose(run, "never") == (None, [])
    assert "holds nothing to go on from" in refusal(run, "must")


def test_the_newest_is_chosen(run: RunDirectory) -> None:
    put(run, 3, 12, 9)
    for wish in ("auto", "must", str(run.path), str(run.step_path(12))):
        assert choose(run, wish) == (12, [])
    assert "holds a run already" in refusal(run, "never")


def test_a_damaged_one_is_set_aside_and_the_next_is_taken(run: RunDirectory) -> None:
    put(run, 3, 9, 12)
    damage(run, 12)
    step, said = choose(run)
    assert step == 9
    assert len(said) == 2
    assert "step-00000012` is damaged: `state.json` has 2 bytes" in said[0]
    assert (
        (run.checkpoints / "corrupt-step-00000012" / "reason.txt")
        .read_text()
        .startswith("`state.json` has 2")
    )
    assert choose(run) == (9, [])


def test_a_look_changes_nothing(run: RunDirectory) -> None:
    put(run, 3, 9)
    damage(run, 9)
    assert choose(run, touch=False)[0] == 3
    assert run.steps() == [9, 3]


def test_without_a_good_one_it_never_begins_anew(run: RunDirectory) -> None:
    put(run, 3, 9)
    damage(run, 3)
    damage(run, 9)
    for _ in range(2):
        assert "no good checkpoint is left" in refusal(run)
    assert "holds a run already" in refusal(run, "never")


def test_an_empty_newest_directory_does_not_stop_a_run(run: RunDirectory) -> None:
    put(run, 3).step_path(9).mkdir()
    assert choose(run)[0] == 3


def test_steps_without_a_checkpoint_are_no_beginning(run: RunDirectory) -> None:
    run.path.mkdir()
    (run.path / "run.json").write_text(json.dumps({"schema": RUN_SCHEMA}))
    metrics = run.path / "metrics.jsonl"
    metrics.write_text('{"kind": "evaluation", "step": 0}\n')
    assert choose(run, "never") == choose(run) == (None, [])
    metrics.write_text('{"kind": "evaluation", "step": 0}\n{"kind": "step", "step": 1}\n')
    assert "has no checkpoint" in refusal(run)


def test_an_older_one_needs_a_directory_of_its_own(run: RunDirectory, tmp_path: Path) -> None:
    put(run, 3, 9)
    assert "is not the newest good one" in refusal(run, str(run.step_path(3)))
    fresh = RunDirectory(tmp_path / "fresh")
    origin = decide(fresh, str(run.step_path(3)), lambda text: None)
    assert origin is not None
    assert (origin.step, origin.foreign, origin.run_path) == (3, True, run.path)
    put(fresh, 1)
    assert "holds a run already" in refusal(fresh, str(run.step_path(3)))


def test_another_run_is_not_touched(run: RunDirectory, tmp_path: Path) -> None:
    put(run, 3, 9)
    damage(run, 9)
    assert choose(RunDirectory(tmp_path / "fresh"), str(run.path))[0] == 3
    assert run.steps() == [9, 3]


def test_a_path_that_is_no_checkpoint_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    assert "no such checkpoint or run" in refusal(run, str(tmp_path / "x"))
    empty = tmp_path / "empty"
    (empty / "checkpoints").mkdir(parents=True)
    assert "holds nothing to go on from" in refusal(run, str(empty))
    put(run, 3)
    for place in (run.checkpoints, tmp_path):
        for here in (run, RunDirectory(tmp_path / "fresh")):
            assert f"`{place}` is neither a run nor a checkpoint: give the" in refusal(here, str(place))
    damage(run, 3)
    told = refusal(RunDirectory(tmp_path / "fresh"), str(run.step_path(3)))
    assert "is damaged: `state.json` has 2 bytes" in told


@pytest.fixture
def other(tmp_path: Path) -> RunDirectory:
    """A run directory that says it began from step 3 of `run`, and has no checkpoint yet."""
    put(RunDirectory(tmp_path / "run"), 3, 9)
    made = RunDirectory(tmp_path / "other")
    made.checkpoints.mkdir(parents=True)
    write_descent(made.path, tmp_path / "run" / "checkpoints" / "step-00000003", 3)
    (made.path / "metrics.jsonl").write_text('{"kind": "step", "step": 3}\n')
    return made


def test_a_run_that_began_from_another_begins_there_again_before_its_first_save(
    run: RunDirectory, other: RunDirectory
) -> None:
    for wish in ("auto", "must", str(run.step_path(3)), str(run.path), str(other.path)):
        origin = decide(other, wish, lambda text: None)
        assert origin is not None
        assert (origin.step, origin.foreign, origin.run_path) == (3, True, run.path)
    assert "holds a run already" in refusal(other, "never")
    assert "is of another" in refusal(other, str(run.step_path(9)))


@pytest.mark.parametrize("line", ['{"kind": "step", "step": 4}', '{"kind": "evaluation", "step": 12}'])
def test_a_run_that_began_from_another_and_lost_its_checkpoints_is_no_beginning(
    run: RunDirectory, other: RunDirectory, line: str
) -> None:
    with open(other.path / "metrics.jsonl", "a") as metrics:
        metrics.write(f"{line}\n")
    for wish in ("auto", "must", str(run.step_path(3)), str(run.path)):
        assert "tells of steps, but" in refusal(other, wish)


@pytest.mark.parametrize("name", FILES)
def test_files_that_no_run_wrote_are_no_beginning(run: RunDirectory, tmp_path: Path, name: str) -> None:
    other = put(RunDirectory(tmp_path / "other"), 3)
    run.path.mkdir()
    (run.path / name).symlink_to(tmp_path / "nowhere")
    for wish in ("auto", "never", str(other.path)):
        assert f"`{run.path / name}` is there already, and no run wrote it" in refusal(run, wish)
    if name != "run.json":  # which a run writes first
        (run.path / "run.json").write_text(json.dumps({"schema": RUN_SCHEMA}))
        assert choose(run) == (None, [])


def test_a_run_that_began_from_another_goes_on_by_the_same_command(
    run: RunDirectory, other: RunDirectory
) -> None:
    put(other, 5)
    for wish in ("auto", str(run.step_path(3)), str(run.path)):
        origin = decide(other, wish, lambda text: None)
        assert origin is not None
        assert (origin.step, origin.foreign) == (5, False)
    assert "is of another" in refusal(other, str(run.step_path(9)))
    run.delete(3)
    assert choose(other, str(run.step_path(3)))[0] == 5
    put(run, 3, extra={})
    assert "is of another" in refusal(other, str(run.step_path(3))), "the name alone does not do"


def test_where_a_run_began_may_have_moved(run: RunDirectory, other: RunDirectory, tmp_path: Path) -> None:
    put(other, 5)
    run.path.rename(tmp_path / "moved")
    assert choose(other, str(tmp_path / "moved"))[0] == 5
    assert choose(other, str(tmp_path / "moved" / "checkpoints" / "step-00000003"))[0] == 5


def test_a_beginning_that_is_gone_or_another_is_named(run: RunDirectory, other: RunDirectory) -> None:
    kept = run.path / "kept"
    run.step_path(3).rename(kept)
    assert f"began from checkpoint `{run.step_path(3)}`, which is damaged" in refusal(other)
    put(run, 3, extra={})
    assert "which is another one now" in refusal(other)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"schema": "x"}'])
def test_a_beginning_that_cannot_be_read_is_named(other: RunDirectory, data: bytes) -> None:
    (other.path / "origin.json").write_bytes(data)
    told = refusal(other)
    assert f"`{other.path / 'origin.json'}` says what this run began from" in told
    assert "restore it from a copy" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"schema": "chefgenius.state/9"}, "schema `chefgenius.state/9`"),
        ({"facts": None}, "no readable state.json"),
    ],
)
def test_a_state_of_another_version_is_refused(run: RunDirectory, options: dict[str, Any], told: str) -> None:
    put(run, 3, **options)
    assert told in refusal(run)
