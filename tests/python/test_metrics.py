import json
from pathlib import Path

import numpy as np
import pytest
from chefgenius.metrics import NAMES, JsonLines, Logs, RollingDigest, Stopwatch, adopt_logs
from chefgenius.state import Progress, ResumeError


def test_a_log_is_cut_to_a_boundary_and_goes_on(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "x.jsonl")
    log.write({"step": 1, "ü": 0.1 + 0.2})
    boundary = log.length
    log.write({"step": 2})
    log.cut(boundary)
    log.write({"step": 3})
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [{"step": 1, "ü": 0.30000000000000004}, {"step": 3}]


def test_a_log_opens_at_its_end(tmp_path: Path) -> None:
    for step in (1, 2):
        log = JsonLines(tmp_path / "x.jsonl")
        log.write({"step": step})
        log.sync()
        assert log.length == (tmp_path / "x.jsonl").stat().st_size
        log.close()
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 2


def test_half_a_line_is_cut_too(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"step": 1}\n{"st')
    log = JsonLines(tmp_path / "x.jsonl")
    log.cut(12)
    log.close()
    assert (tmp_path / "x.jsonl").read_bytes() == b'{"step": 1}\n'


def test_a_log_that_lost_lines_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"{}\n")
    log = JsonLines(tmp_path / "x.jsonl")
    with pytest.raises(ResumeError, match=r"has 3 bytes, the checkpoint was saved with 4"):
        log.cut(4)
    log.close()
    assert (tmp_path / "x.jsonl").read_bytes() == b"{}\n"


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "x.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.write({"loss": float("nan")})
    assert log.length == 0
    log.close()


def test_logs_remember_their_lengths(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.metrics.write({"step": 1})
    logs.samples.write({"step": 1, "text": "x"})
    section = logs.state_dict()
    logs.metrics.write({"step": 2})
    logs.timing.write({"step": 2})
    logs.load_state_dict(section)
    assert {name: (tmp_path / name).stat().st_size for name in NAMES} == section
    assert section["timing.jsonl"] == 0
    logs.begin()
    assert logs.state_dict() == dict.fromkeys(NAMES, 0)
    logs.sync()
    logs.close()


def test_the_logs_of_another_run_are_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    for name in NAMES:
        (old / name).write_bytes(b"{}\n{}\n")
    lengths = dict.fromkeys(NAMES, 3)
    assert adopt_logs(old, new, lengths) == lengths
    assert {(new / name).read_bytes() for name in NAMES} == {b"{}\n{}\n"}
    (old / "samples.jsonl").unlink()
    assert adopt_logs(old, new, lengths) == dict.fromkeys(NAMES, 0)


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
