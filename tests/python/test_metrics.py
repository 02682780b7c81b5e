import json
from collections.abc import Callable
from pathlib import Path

import blake3
import numpy as np
import pytest
from chefgenius.run.digest import RollingDigest
from chefgenius.run.state import Progress, ResumeError, State
from chefgenius.training.metrics import NAMES, JsonLines, Logs, Stopwatch
from samples import files_below


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def begun(folder: Path) -> Logs:
    folder.mkdir(exist_ok=True)
    logs = Logs(folder)
    logs.begin()
    return logs


def saved(folder: Path) -> State:
    """Files with two lines up to a boundary and one after it; the section of the boundary."""
    logs = begun(folder)
    logs.metrics.write({"step": 1, "ü": 0.1 + 0.2})
    logs.metrics.write({"step": 2})
    logs.timing.write({"step": 1})
    logs.timing.write({"step": 2})
    logs.samples.write({"step": 2, "text": "x"})
    section = logs.state_dict()
    for log in (logs.metrics, logs.timing, logs.samples):
        log.write({"step": 3})
    logs.sync()
    logs.close()
    return section


def flip(path: Path, place: int = 3) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x80
    path.write_bytes(data)


def test_logs_are_cut_to_a_boundary_and_go_on(tmp_path: Path) -> None:
    section = saved(tmp_path)
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'{"st')  # half a line goes too
    logs = Logs(tmp_path)
    logs.load_state_dict(section)
    assert logs.state_dict() == section
    logs.metrics.write({"step": 4})
    again = logs.state_dict()
    logs.close()
    assert lines(tmp_path / "metrics.jsonl") == [
        {"step": 1, "ü": 0.30000000000000004},
        {"step": 2},
        {"step": 4},
    ]
    assert len(lines(tmp_path / "timing.jsonl")) == 2
    data = (tmp_path / "metrics.jsonl").read_bytes()
    assert again["metrics.jsonl"] == {"bytes": len(data), "blake3": blake3.blake3(data).hexdigest()}


def test_a_run_that_begins_empties_the_files(tmp_path: Path) -> None:
    saved(tmp_path)
    logs = begun(tmp_path)
    logs.close()
    assert {(tmp_path / name).read_bytes() for name in NAMES} == {b""}
    assert logs.state_dict()["timing.jsonl"] == {"bytes": 0}


def test_a_log_that_was_closed_cannot_be_synced(tmp_path: Path) -> None:
    logs = begun(tmp_path)
    logs.sync()
    logs.close()
    with pytest.raises(ValueError, match="closed file"):
        logs.sync()
    with pytest.raises(ValueError, match="is not open"):
        logs.metrics.write({})


def test_nothing_is_made_before_a_run_begins(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.sync()
    logs.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="is not open"):
        logs.metrics.write({})


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(b"{}\n"), r"has 3 bytes, the checkpoint was saved with \d\d"),
        (flip, "has changed"),
    ],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_log_that_is_not_what_was_saved_is_refused_and_left_alone(
    tmp_path: Path, name: str, harm: Callable[[Path], object], told: str, foreign: bool
) -> None:
    section = saved(tmp_path / "run")
    harm(tmp_path / "run" / name)
    before = files_below(tmp_path)
    logs = Logs(tmp_path / "run")
    if foreign:
        (tmp_path / "new").mkdir()
        logs = Logs(tmp_path / "new")
        logs.adopt(tmp_path / "run", lambda: pytest.fail("claimed"))
    with pytest.raises(ResumeError, match=told) as error:
        logs.load_state_dict(section)
    assert str(tmp_path / "run" / name) in str(error.value)
    assert "restore it from a copy" in str(error.value)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(("kept", "told"), [(None, "is missing"), (b'{"step": 1}\n{"st', "instead of 24")])
@pytest.mark.parametrize("foreign", [False, True])
def test_timings_may_be_lost(tmp_path: Path, kept: bytes | None, told: str, foreign: bool) -> None:
    section, said = saved(tmp_path / "run"), list[str]()
    timing = tmp_path / "run" / "timing.jsonl"
    timing.unlink()
    if kept is not None:
        timing.write_bytes(kept)
    target = tmp_path / "new" if foreign else tmp_path / "run"
    target.mkdir(exist_ok=True)
    logs = Logs(target, said.append)
    if foreign:
        logs.adopt(tmp_path / "run", lambda: said.append("claimed"))
    logs.load_state_dict(section)
    logs.timing.write({"step": 3})
    logs.close()
    assert said[:-1] == ["claimed"] * foreign
    assert told in said[-1]
    assert [line["step"] for line in lines(target / "timing.jsonl")] == ([1, 3] if kept else [3])
    assert len(lines(target / "metrics.jsonl")) == 2


def test_the_logs_of_another_run_are_taken_over(tmp_path: Path) -> None:
    section = saved(tmp_path / "old")
    before = files_below(tmp_path / "old")
    (tmp_path / "new").mkdir()
    logs = Logs(tmp_path / "new")
    logs.adopt(tmp_path / "old", lambda: None)
    logs.load_state_dict(section)
    logs.close()
    for name in NAMES:
        data = (tmp_path / "new" / name).read_bytes()
        assert len(data) == section[name]["bytes"]
        assert before[name].startswith(data)
    assert files_below(tmp_path / "old") == before


def test_logs_taken_over_never_tell_of_later_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before they are cut, they would tell of a checkpoint that is lost."""
    section = saved(tmp_path / "old")
    (tmp_path / "new").mkdir()
    logs = Logs(tmp_path / "new")
    logs.adopt(tmp_path / "old", lambda: None)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(JsonLines, "open", killed)
    with pytest.raises(KeyboardInterrupt):
        logs.load_state_dict(section)
    for name in NAMES:
        assert 0 < (tmp_path / "new" / name).stat().st_size == section[name]["bytes"]


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    logs = begun(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        logs.metrics.write({"loss": float("nan")})
    assert logs.metrics.length == 0
    logs.close()


def test_the_digest_names_records_and_their_order() -> None:
    def digest(*batches: list[int]) -> str:
        rolling = RollingDigest()
        for batch in batches:
            rolling.update(np.array(batch, dtype=np.int64))
        return rolling.value

    values = [digest(), digest([1, 2]), digest([2, 1]), digest([1], [2]), digest([1, 2], [3])]
    assert len(set(values)) == 5
    assert digest([1, 2]) == "466cc42eb8a710c2fd4aec74c55b774b968cae80a5f5016d52a5bf60ed69ef5d"
    again = RollingDigest()
    again.load_state_dict({"value": digest([1, 2])})
    again.update(np.array([3], dtype=np.int32))
    assert again.value == digest([1, 2], [3])


def test_rates_count_the_time_of_training_only() -> None:
    progress = Progress()
    watch = Stopwatch(progress)
    with watch.paused():
        pass
    progress.step, progress.samples, progress.input_tokens, progress.target_tokens = 2, 8, 10, 30
    steps, recipes, tokens = watch.rates(progress)
    assert recipes == pytest.approx(4 * steps)
    assert tokens == pytest.approx(20 * steps)
    with watch.waiting():
        pass
    line = watch.lap(progress)
    assert line["step"] == 2
    assert line["seconds"] > 0
    assert 0 <= line["data_wait"] < 1
    assert line["peak_memory"] > 10_000_000
    assert watch.lap(progress)["recipes_per_second"] == 0
