"""The command over checkpoints: what it prints, its exit codes, and what it does not import."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius import ckpt, report
from chefgenius.run import manifest
from chefgenius.run.rundir import RunDirectory
from running import opened, run_here
from stored import add_checkpoint, flip
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    for step in (2, 4, 6, 9):
        add_checkpoint(made, step, best_step=4)
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny run that is done."""
    folder = tmp_path_factory.mktemp("trained")
    assert run_here(folder) == 0
    return folder


@pytest.mark.parametrize("command", ["ls", "verify", "prune", "export", "diff"])
def test_no_command_imports_torch(run: RunDirectory, tmp_path: Path, command: str) -> None:
    second = [str(tmp_path / "out")] if command == "export" else [str(run.path)] * (command == "diff")
    (run.path / "metrics.jsonl").touch()
    words = ["ckpt", command, str(run.path), *second]
    script = f"""
import runpy, sys
sys.argv = {words!r}
try:
    runpy.run_module("chefgenius.ckpt", run_name="__main__")
except SystemExit as end:
    assert end.code == 0, end.code
slow = {{"torch", "transformers", "matplotlib"}}
if {command!r} == "ls":
    slow |= {{"numpy", "rich"}}
found = slow & set(sys.modules)
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.alone
def test_it_starts_at_once(run: RunDirectory) -> None:
    words = [sys.executable, "-m", "chefgenius.ckpt", "ls", str(run.path)]
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 1.5, taken


def test_ls_tells_every_checkpoint(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    flip(run, 9)
    os.truncate(run.step_path(6) / "state.json", 1)
    run.reject(2, "a bit is wrong")
    (run.checkpoints / ".tmp-step-00000012").mkdir()
    assert ckpt.main(["ls", str(run.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split() for line in lines]
    assert cells[0][:4] == ["step", "epoch", "saved", "size"]
    assert [line[0] for line in cells[1:4]] == ["9", "6", "4"]
    assert lines[1].endswith("newest")
    assert "damaged: `state.json` has 1 bytes" in lines[2]
    assert lines[3].endswith("best")
    assert lines[4].startswith("set aside: corrupt-step-00000002, ")
    assert lines[4].endswith("a bit is wrong")
    assert lines[5].startswith("temporary: .tmp-step-00000012, 0 bytes")
    assert lines[6].endswith("a start would verify and take step-00000009")
    assert len(lines) == 7
    assert ckpt.main(["ls", str(run.path), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [one["step"] for one in values["checkpoints"]] == [9, 6, 4]
    assert values["set_aside"][0]["reason"] == "a bit is wrong"


def test_verify_reads_every_byte_and_changes_nothing(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ckpt.main(["verify", str(run.path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in told[:4]] == [f"step {n}: good" for n in (9, 6, 4, 2)]
    assert told[4:] == ["metrics.jsonl and samples.jsonl: good, with all that step 9 tells of"]
    flip(run, 6)
    before = sorted(path.name for path in run.checkpoints.iterdir())
    assert ckpt.main(["verify", str(run.path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[1] == "step 6: damaged: the checksum of `model.safetensors` does not match"
    assert len(told) == 5, "it goes on after a damaged one"
    assert sorted(path.name for path in run.checkpoints.iterdir()) == before
    assert ckpt.main(["verify", str(run.step_path(4)), str(run.step_path(9))]) == 0
    assert ckpt.main(["verify", str(run.step_path(4)), str(run.step_path(6))]) == 1
    os.rename(run.step_path(9), run.step_path(8))
    capsys.readouterr()
    assert ckpt.main(["verify", str(run.path)]) == 1
    assert "step 8: damaged: it holds step 9" in capsys.readouterr().out


def test_verify_is_not_confused_by_a_trainer_that_removes(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = manifest.verify

    def late(path: Path) -> object:
        if path == run.step_path(2):
            run.delete(2)
        return verify(path)

    monkeypatch.setattr("chefgenius.ckpt.verify", late)
    assert ckpt.main(["verify", str(run.path)]) == 0
    assert capsys.readouterr().out.splitlines()[3] == "step 2: removed by the trainer meanwhile"


def test_what_cannot_be_read_is_told_and_never_removed(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = manifest.verify

    def failing(path: Path) -> object:
        if path == run.step_path(9):
            raise OSError(errno.EIO, "Input/output error", str(path / "model.safetensors"))
        return verify(path)

    monkeypatch.setattr("chefgenius.ckpt.verify", failing)
    monkeypatch.setattr("chefgenius.run.rundir.verify", failing)
    assert ckpt.main(["verify", str(run.path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("step 9: cannot be read: ")
    assert told[1].startswith("step 6: good")
    assert ckpt.main(["prune", str(run.path)]) == 0
    assert "step 9 stays: cannot be read: " in capsys.readouterr().out
    assert run.steps() == [9, 6, 4]


def test_prune_removes_under_the_lock(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    (run.checkpoints / ".tmp-step-00000012").mkdir()
    assert ckpt.main(["prune", str(run.path), "--dry-run"]) == 0
    assert "step 2 would go" in capsys.readouterr().out
    assert run.steps() == [9, 6, 4, 2]
    other = RunDirectory(run.path).lock()
    assert ckpt.main(["prune", str(run.path)]) == 3
    assert "in use by this process" in capsys.readouterr().err
    assert ckpt.main(["prune", str(run.path), "--dry-run"]) == 0, "looking needs no lock"
    other.close()
    assert run.steps() == [9, 6, 4, 2]
    capsys.readouterr()
    assert ckpt.main(["prune", str(run.path)]) == 0
    assert capsys.readouterr().out.splitlines()[:5] == [
        "removed .tmp-step-00000012, left by a killed writer",
        "step 9 stays: newest",
        "step 6 stays: among the newest",
        "step 4 stays: best",
        "step 2 is removed",
    ]
    assert run.steps() == [9, 6, 4]
    RunDirectory(run.path).lock().close()


def test_prune_without_a_good_checkpoint_removes_nothing(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run.reject(2, "bad")
    for step in run.steps():
        flip(run, step)
    before = sorted(path.name for path in run.checkpoints.iterdir())
    assert ckpt.main(["prune", str(run.path), "--set-aside"]) == 1
    assert "no good checkpoint" in capsys.readouterr().err
    assert sorted(path.name for path in run.checkpoints.iterdir()) == before


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ([], 9),
        (["--step", "4"], 4),
        (["--step", "best"], 4),
        (["--checkpoint", "newest"], 9),
        (["--checkpoint", "best"], 4),
    ],
)
def test_export_takes_the_step_that_is_asked_for(
    run: RunDirectory, tmp_path: Path, step: list[str], expected: int
) -> None:
    out = tmp_path / "out"
    assert ckpt.main(["export", str(run.path), str(out), *step]) == 0
    saved = run.step_path(expected) / "model.safetensors"
    assert (out / "model.safetensors").read_bytes() == saved.read_bytes()


def test_export_warns_where_a_damaged_newest_is_passed_over(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(run.step_path(9) / "state.json", 1)
    for number, asked in enumerate(([], ["--checkpoint", "newest"], ["--checkpoint", "6"])):
        assert ckpt.main(["export", str(run.path), str(tmp_path / str(number)), *asked]) == 0
        told = capsys.readouterr()
        assert "step-00000006" in told.out
        assert told.err.count("\n") == (asked[1:] != ["6"])
        assert not told.err or told.err.startswith(f"warning: `{run.step_path(9)}` is damaged and passed")


def test_no_checkpoint_yet_is_no_damage_and_those_that_are_gone_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    (path / "checkpoints" / ".tmp-step-00000000").mkdir(parents=True)
    (path / "config.yaml").touch()
    assert ckpt.main(["ls", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 bytes in all; no checkpoint yet"
    assert ckpt.main(["verify", str(path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err
    (path / "metrics.jsonl").write_text('{"kind": "step", "step": 2}\n')
    assert ckpt.main(["ls", str(path)]) == 0
    assert "its checkpoints are gone: `metrics.jsonl` tells of steps" in capsys.readouterr().out
    shutil.rmtree(path / "checkpoints")
    for command in ("ls", "verify", "prune"):
        assert ckpt.main([command, str(path)]) == 2
        assert f"error: the checkpoints of run `{path}` are gone, with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["ls", "nowhere"], "no run in `nowhere`"),
        (["verify", "nowhere"], "no such checkpoint or run: `nowhere`"),
        (["prune", "nowhere"], "no run in `nowhere`"),
        (["export", "nowhere", "out"], "no such checkpoint or run"),
        (["diff", "nowhere", "elsewhere"], "no such checkpoint or run: `nowhere`"),
        (["export", "run", "out", "--step", "7"], "has no checkpoint of step 7: there are 9, 6, 4, 2"),
        (["export", "run", "run"], "`run` exists"),
    ],
)
def test_what_is_not_there_is_told(
    run: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(run.path.parent)
    assert ckpt.main(line) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert told in printed.err
    assert not (run.path.parent / "nowhere").exists()


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["look"],
        ["ls"],
        ["prune", "r", "--keep", "1"],
        ["export", "a", "b", "--step", "x"],
        ["ls", "a", "b"],
    ],
)
def test_a_wrong_line_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ckpt.main(line)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_fits_a_screen_with_an_example_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ckpt.main(["--help"])
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 80
    for command in ("ls", "verify", "diff", "prune", "export"):
        assert f"\n  {command} " in text
        assert f"  chefgenius ckpt {command} " in text


def test_two_equal_runs_are_equal_and_a_changed_one_is_not(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = RunDirectory(trained / "again")
    assert run_here(trained, run="again") == 0
    again.delete(10)
    assert run_here(trained, run="again") == 0, "it goes on from step 9"
    assert again.steps()[0] == 10
    assert run_here(trained, "optim.learning_rate=0.1", run="other") == 0
    capsys.readouterr()
    run = str(trained / "run")
    assert ckpt.main(["diff", run, str(trained / "run")]) == 0
    assert capsys.readouterr().out.endswith("\nequal\n")
    assert ckpt.main(["diff", run, str(again.path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[2] == "equal; what stands in brackets does not count"
    assert any(line.startswith("(free)  ") and "run_dir" in line for line in told)
    assert ckpt.main(["diff", run, str(trained / "other")]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].startswith("different: 1 of kind free, "), "the summary stands first"
    assert "\nfree         optim.learning_rate: 0.005 in a, 0.1 in b\n" in printed
    assert "model shared.weight" in printed
    assert "optim shared.weight/exp_avg" in printed
    assert "metrics.jsonl, line 2" in printed


def test_a_real_run_is_listed_and_exported(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = RunDirectory(trained / "run"), tmp_path / "out"
    assert ckpt.main(["ls", str(run.path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [one["step"] for one in listed] == run.steps()
    assert listed[0]["validation_loss"] > 0
    assert [one["step"] for one in listed if "best" in one["marks"]] == [10]
    assert ckpt.main(["export", str(run.path), str(out), "--step", "best"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    own = AutoModelForSeq2SeqLM.from_pretrained(run.step_path(10), local_files_only=True)
    theirs = AutoModelForSeq2SeqLM.from_pretrained(out, local_files_only=True)
    assert len(own.state_dict()) > 20
    assert all(torch.equal(theirs.state_dict()[name], one) for name, one in own.state_dict().items())
    assert AutoTokenizer.from_pretrained(out).eos_token_id == 1


def test_a_trainer_at_work_does_not_mind(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(trained, "train.max_steps=12"):
        assert ckpt.main(["ls", str(trained / "run")]) == 0
        assert ckpt.main(["verify", str(trained / "run")]) == 0
        assert ckpt.main(["prune", str(trained / "run")]) == 3
    capsys.readouterr()


@pytest.mark.parametrize("command", ["verify", "diff", "export"])
def test_a_directory_of_another_kind_is_no_damaged_checkpoint(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for place in (run.checkpoints, tmp_path):
        second = [] if command == "verify" else [str(tmp_path / "out")]
        assert ckpt.main([command, str(place), *second]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert f"`{place}` is neither a run nor a checkpoint: give the directory that holds" in told.err


@pytest.mark.parametrize("command", ["ls", "verify", "diff", "prune", "export"])
def test_an_empty_path_is_not_the_working_directory(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(run.path)
    with pytest.raises(SystemExit) as end:
        ckpt.main([command, "", *([] if command in ("ls", "verify", "prune") else ["x"])])
    assert end.value.code == 2
    assert "invalid directory value: ''" in capsys.readouterr().err
    assert len(run.steps()) == 4


def test_no_name_of_a_stranger_steers_the_terminal(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steer = "\x1b[31m\x9b2J\nequal"
    for name in (f"corrupt-step-{steer}", f".tmp-step-{steer}", "corrupt-step-\udcff"):
        (run.checkpoints / name).mkdir()
    other = RunDirectory(tmp_path / "other")
    strange = {"a.weight": np.ones(2), steer: np.ones(2)}
    changes: dict[str, Any] = {"config": {steer: steer}, steer: {"x": steer}}
    add_checkpoint(other, 9, model=strange, **changes)
    (run.path / "metrics.jsonl").write_text("{}\n")
    (other.path / "metrics.jsonl").write_text(json.dumps({steer: steer}) + "\n")
    lines = (
        ["ls", str(run.path)],
        ["ls", str(run.path), "--json"],
        ["prune", str(run.path), "--set-aside", "--dry-run"],
        ["diff", str(run.path), str(other.path)],
        ["diff", str(other.path), str(run.path)],
        ["prune", str(run.path), "--set-aside"],
    )
    for line in lines:
        assert ckpt.main(line) == (line[0] == "diff")
        told = capsys.readouterr()
        assert all(one.isprintable() for one in (told.out + told.err).split("\n")), line
        assert "\nequal" not in told.out
    assert not run.set_aside()


def test_lines_that_are_lost_of_a_log_are_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    log = run / "metrics.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b"{}")  # of a step after the checkpoint, or being written
    assert ckpt.main(["verify", str(run)]) == 0
    assert "metrics.jsonl and samples.jsonl: good" in capsys.readouterr().out
    log.write_bytes(whole[:-1])
    told = f"damaged: `{log}` has {len(whole) - 1:,} bytes, the checkpoint was saved with {len(whole):,}"
    assert ckpt.main(["verify", str(run)]) == 1
    assert f"{told}, lines are lost: restore it from a copy" in capsys.readouterr().out
    assert report.main([str(run)]) == 0
    lines, page = capsys.readouterr().out.splitlines(), (run / "report.html").read_text()
    assert lines[1].startswith(told), "what is damaged stands first"
    assert lines[2].startswith("The logs are damaged, so what they tell may not be the run.")
    assert "lines are lost" in page
    assert "Exact: every start" not in page
    log.unlink()
    assert ckpt.main(["verify", str(run)]) == 1
    assert f"damaged: `{log}` is missing: restore it" in capsys.readouterr().out
