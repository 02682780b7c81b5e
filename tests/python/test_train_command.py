"""The command as a person meets it: what it prints, how it ends, and what it leaves."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chefgenius import train
from chefgenius.callbacks import Callback, StepInfo
from chefgenius.run.rundir import RunDirectory
from chefgenius.settings.config import keys
from chefgenius.training.trainer import Trainer
from running import Nursery, assert_same_run, opened, outcome, refused, run_here, words
from samples import files_below, recipes, write_lines
from transformers import AutoModelForSeq2SeqLM

LONG = ("train.max_steps=100000", "eval.every_steps=0")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chefgenius.train", *arguments], capture_output=True, text=True, timeout=120
    )


def refused_at(*arguments: str) -> str:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_help_tells_every_key_without_torch() -> None:
    done = command("--help", "all")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {key}=" in done.stdout for key in keys())
    assert "`--help optin`: did you mean `optim`?" in refused_at("--help", "optin")


def test_print_config_prints_what_would_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("seed: 5\n")
    assert train.main([str(tmp_path / "mine.yaml"), "optim.learning_rate=3e-4", "--print-config"]) == 0
    text = capsys.readouterr().out
    assert "seed: 5\nrun_dir: runs/mine\n" in text
    assert "learning_rate: 0.0003\n" in text
    assert "max_steps: 1500\n" in text


def test_a_run_leaves_all_that_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path) == 0
    told, run = capsys.readouterr(), tmp_path / "run"
    assert told.err == ""
    for text in ("step 10/10  loss ", "validation loss", "3 held-out prompts", "best validation loss"):
        assert text in told.out
    assert told.out.count("\nWrite a recipe for ") == 2
    names = {path.name for path in run.iterdir()}
    assert names == {
        "checkpoints",
        "config.yaml",
        "loss.png",
        "metrics.jsonl",
        "run.json",
        "samples.jsonl",
        "starts.jsonl",
        "timing.jsonl",
    }
    assert str(run / "loss.png") in told.out.replace("\n", "")
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics if line["kind"] == "step"] == list(range(1, 11))
    assert [line["step"] for line in metrics if line["kind"] == "evaluation"] == [0, 4, 8, 10]
    assert set(metrics[1]) == {
        "kind",
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "grad_norm",
        "samples",
        "input_tokens",
        "target_tokens",
        "digest",
    }
    samples = [json.loads(line)["step"] for line in (run / "samples.jsonl").read_text().splitlines()]
    assert samples == [0] * 3 + [4] * 2 + [8] * 2 + [10] * 3
    assert len((run / "timing.jsonl").read_text().splitlines()) == 10
    opened = AutoModelForSeq2SeqLM.from_pretrained(
        run / "checkpoints" / "step-00000010", local_files_only=True
    )
    assert opened.config.d_model == 16
    assert json.loads((run / "run.json").read_bytes())["finished"] == 10


def test_a_written_configuration_repeats_the_run(tmp_path: Path) -> None:
    assert run_here(tmp_path, "eval.every_steps=0") == 0
    assert train.main([str(tmp_path / "run" / "config.yaml"), f"run_dir={tmp_path / 'again'}"]) == 0
    assert_same_run(tmp_path / "again", tmp_path / "run")


def test_a_finished_run_says_so_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path) == 0
    before = files_below(tmp_path / "run")
    capsys.readouterr()
    for resume in ("auto", "must", str(tmp_path / "run")):
        assert run_here(tmp_path, "--resume", resume) == 0
        assert "finished: " in capsys.readouterr().out
    assert files_below(tmp_path / "run") == before


def test_a_finished_run_can_be_made_longer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    constant = ("optim.schedule=constant", "eval.every_steps=0")
    assert run_here(tmp_path, *constant, "train.max_steps=6") == 0
    capsys.readouterr()
    assert run_here(tmp_path, *constant) == 0
    assert "changed: `train.max_steps`: saved `6`, here `10`" in capsys.readouterr().out
    assert run_here(tmp_path, *constant, run="whole") == 0
    found, expected = outcome(tmp_path / "run"), outcome(tmp_path / "whole")
    assert found["model"] == expected["model"]
    assert found["metrics"] == expected["metrics"]


def test_explaining_writes_nothing_in_the_run_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, "--explain") == 0
    told = capsys.readouterr().out
    assert "plan: 10 steps of 8 recipes, 6 an epoch" in told
    assert "parameters" in told
    assert not (tmp_path / "run").exists()
    assert run_here(tmp_path) == 0
    before = files_below(tmp_path / "run")
    assert run_here(tmp_path, "train.max_steps=12", "--explain") == 0
    told = capsys.readouterr().out
    assert "checkpoint  " + str(tmp_path / "run" / "checkpoints" / "step-00000010") in told
    assert files_below(tmp_path / "run") == before


@pytest.mark.usefixtures("_no_network")
def test_a_pretrained_directory_is_fine_tuned_and_not_needed_again(tmp_path: Path) -> None:
    assert run_here(tmp_path, "eval.every_steps=0", "train.max_steps=3") == 0
    base = tmp_path / "base"
    shutil.copytree(tmp_path / "run" / "checkpoints" / "step-00000003", base)
    tuned = (f"model.name_or_path={base}", "model.config=null", "data.tokenizer=null", "eval.every_steps=0")
    assert run_here(tmp_path, *tuned, "train.max_steps=4", run="tuned") == 0
    (base / "model.safetensors").unlink()
    assert run_here(tmp_path, *tuned, run="tuned") == 0
    assert RunDirectory(tmp_path / "tuned").steps()[0] == 10


# What can go wrong at the end: the next start makes up for it, and computes nothing again.


def unfinished(run: Path) -> dict[str, bytes]:
    """Makes a run look as if it was killed after its last checkpoint; the files that must stay."""
    (run / "loss.png").unlink()
    facts = json.loads((run / "run.json").read_bytes())
    (run / "run.json").write_text(json.dumps({**facts, "finished": None}))
    return {name: data for name, data in files_below(run).items() if name != "run.json"}


def test_the_report_of_a_run_that_was_killed_before_it_is_made_up_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path) == 0
    before, run = unfinished(tmp_path / "run"), tmp_path / "run"
    first = capsys.readouterr().out
    assert run_here(tmp_path) == 0
    told = capsys.readouterr().out
    report = first[first.index("3 held-out prompts") :]
    assert told.endswith(report)
    assert "step 10/10" not in told
    after = files_below(run)
    assert after.pop("starts.jsonl").startswith(before.pop("starts.jsonl"))
    assert after.pop("loss.png").startswith(b"\x89PNG")
    assert json.loads(after.pop("run.json"))["finished"] == 10
    assert after == before
    assert run_here(tmp_path) == 0
    assert "finished: " in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"\xff", b"", b"[]"])
def test_a_damaged_run_json_is_written_anew(tmp_path: Path, data: bytes) -> None:
    quick = ("eval.every_steps=0", "train.max_steps=2")
    assert run_here(tmp_path, *quick) == 0
    expected = (tmp_path / "run" / "run.json").read_bytes()
    (tmp_path / "run" / "run.json").write_bytes(data)
    assert run_here(tmp_path, *quick) == 0
    assert (tmp_path / "run" / "run.json").read_bytes() == expected


def test_a_plot_that_cannot_be_written_does_not_lose_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "run" / "loss.png"
    plot.mkdir(parents=True)
    code, told = run_here(tmp_path, "train.max_steps=2"), capsys.readouterr()
    assert code == 2
    assert told.err == f"error: `{plot}`: is a directory: move it away and start again\n"
    assert "3 held-out prompts" in told.out
    plot.rmdir()
    assert run_here(tmp_path, "train.max_steps=2") == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
def test_a_directory_in_the_place_of_a_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    quick = ("eval.every_steps=0", "train.max_steps=2")
    place = tmp_path / "run" / name
    place.mkdir(parents=True)
    told = refused(capsys, run_here(tmp_path, *quick), 2)
    assert f"`{place}`: is a directory: move it away and start again" in told
    place.rmdir()
    assert run_here(tmp_path, *quick) == 0


# What can go wrong with a resume: exit code 3, and nothing is lost.


def test_another_seed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=0") == 0
    before = files_below(tmp_path / "run" / "checkpoints")
    capsys.readouterr()
    code, error = run_here(tmp_path, "seed=43", "train.threads=2"), capsys.readouterr().err
    assert code == 3
    assert error.startswith("error: cannot go on from ")
    assert "\n  `seed`:    saved `42`, here `43`\n  `threads`: saved `1`, here `2`\n" in error
    assert files_below(tmp_path / "run" / "checkpoints") == before


def test_other_data_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=0") == 0
    write_lines(tmp_path / "recipes.jsonl", recipes(51))
    capsys.readouterr()
    code, error = run_here(tmp_path, "eval.every_steps=0"), capsys.readouterr().err
    assert code == 3
    assert "it would not be the same run:\n  `store`: saved " in error


def test_never_and_must_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to go on from" in refused(capsys, run_here(tmp_path, "--resume", "must"), 3)
    assert run_here(tmp_path, "train.max_steps=1", "--resume", "never") == 0
    capsys.readouterr()
    assert "holds a run already" in refused(capsys, run_here(tmp_path, "--resume", "never"), 3)


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_a_changed_log_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, foreign: bool
) -> None:
    assert run_here(tmp_path, "train.max_steps=2") == 0
    log = tmp_path / "run" / name
    log.write_bytes(log.read_bytes().replace(b"step", b"st\xffp", 1))
    before = files_below(tmp_path)
    capsys.readouterr()
    given = ("--resume", str(tmp_path / "run")) if foreign else ()
    code = run_here(tmp_path, *given, run="new" if foreign else "run")
    told = capsys.readouterr()
    assert (code, told.err.count("\n")) == (3, 1)
    assert f"`{log}` has changed" in told.err
    assert "going on from" not in told.out
    assert files_below(tmp_path) == before


def test_a_command_with_a_path_goes_on_when_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = ("optim.schedule=constant", "eval.every_steps=0")
    assert run_here(tmp_path, *flat, "train.max_steps=3") == 0
    (tmp_path / "run" / "timing.jsonl").unlink()
    again = (*flat, "--resume", str(tmp_path / "run"))

    def killed(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", killed)
        assert run_here(tmp_path, *again, run="new") == 130
    assert not RunDirectory(tmp_path / "new").steps()
    assert (tmp_path / "new" / "metrics.jsonl").read_bytes().count(b"\n") == 3
    assert run_here(tmp_path, *again, "train.max_steps=5", run="new") == 0
    assert run_here(tmp_path, *again, "train.max_steps=7", run="new") == 0
    assert "going on from " + str(tmp_path / "new") in capsys.readouterr().out.replace("\n", "")
    assert run_here(tmp_path, *flat, "train.max_steps=7", run="whole") == 0
    for name in ("model", "optimizer", "metrics"):
        assert outcome(tmp_path / "new")[name] == outcome(tmp_path / "whole")[name], name
    assert "holds a run already" in refused(
        capsys, run_here(tmp_path, *flat, "--resume", str(tmp_path / "whole"), run="new"), 3
    )


def test_no_good_checkpoint_is_an_error_and_no_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=0") == 0
    for path in (tmp_path / "run" / "checkpoints").glob("step-*"):
        (path / "optim.safetensors").unlink()
    capsys.readouterr()
    for _ in range(2):
        assert "no good checkpoint is left" in refused(capsys, run_here(tmp_path), 3)


# What happens to a process: signals, a full disk, a second trainer.


def test_checkpoints_that_are_gone_are_told_however_seldom_a_step_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seldom = ("log.every_steps=1000", "eval.every_steps=0", "train.max_steps=100", "checkpoint.every_steps=1")

    class Stopping(Callback):
        def on_step_end(self, info: StepInfo) -> None:
            if info.step == 3:
                raise KeyboardInterrupt

    with opened(tmp_path, *seldom, callbacks=[Stopping()]) as trainer, pytest.raises(KeyboardInterrupt):
        trainer.fit()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    told = refused(capsys, run_here(tmp_path, *seldom), 3)
    assert "tells of steps, but" in told


def begin(nursery: Nursery, folder: Path, *overrides: str, **options: Any) -> Any:
    """A long run that has taken some steps."""
    child = nursery.start(*words(folder, *LONG, *overrides), **options)
    metrics = folder / "run" / "metrics.jsonl"
    child.wait_until(lambda: metrics.exists() and metrics.read_bytes().count(b"\n") > 5)
    return child


def test_a_stop_tells_of_a_command_that_goes_on(tmp_path: Path, nursery: Nursery) -> None:
    child = begin(nursery, tmp_path, "--resume", "never")
    child.kill(signal.SIGTERM)
    assert child.wait() == 75
    assert child.stderr.read_text().endswith(" is saved: start again without `--resume never` to go on\n")


def test_a_full_disk_gives_74_and_keeps_what_was_saved(tmp_path: Path, nursery: Nursery) -> None:
    quick = ("eval.every_steps=0", "optim.schedule=constant")
    assert nursery.start(*words(tmp_path, *quick, "train.max_steps=4")).wait() == 0
    before = files_below(tmp_path / "run" / "checkpoints")
    most = max(len(data) for data in before.values()) - 1
    child = nursery.start(*words(tmp_path, *quick), file_size=most)
    assert child.wait() == 74
    told = child.stderr.read_text()
    assert told.startswith("error: `")
    assert "File too large: mend this, then start the same command again" in told
    assert files_below(tmp_path / "run" / "checkpoints") == before
    assert nursery.start(*words(tmp_path, *quick)).wait() == 0
    assert nursery.start(*words(tmp_path, *quick, run="whole")).wait() == 0
    assert outcome(tmp_path / "run")["optimizer"] == outcome(tmp_path / "whole")["optimizer"]


def test_two_trainers_never_share_a_run(tmp_path: Path, nursery: Nursery) -> None:
    child = begin(nursery, tmp_path)
    other = nursery.start(*words(tmp_path))
    assert other.wait() == 3
    assert "is in use by another process" in other.stderr.read_text()
    assert not (tmp_path / "run" / ".lock").exists()
    child.kill(signal.SIGTERM)
    assert child.wait() == 75


@pytest.mark.parametrize(
    ("every", "told"), [(0, "diverged in step 2"), (1, "the validation loss is not finite")]
)
def test_a_run_that_diverges_gives_4_and_keeps_its_last_boundary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every: int, told: str
) -> None:
    wild = ("optim.learning_rate=1e38", "optim.warmup_steps=0")
    code = run_here(tmp_path, *wild, f"eval.every_steps={every}")
    error = refused(capsys, code, 4)
    assert told in error
    assert "step 1 is saved: lower `optim.learning_rate`" in error
    run = RunDirectory(tmp_path / "run")
    run.verify(run.steps()[0])


# The run of a newcomer, a few steps of it.


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*given: Any) -> None:
        raise AssertionError(f"the network was asked: {given}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)


@pytest.mark.usefixtures("_no_network")
def test_the_run_without_arguments_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("train.max_steps=2", "eval.max_new_tokens=4", "eval.max_batches=1")
    assert train.main([f"run_dir={tmp_path / 'run'}", *few]) == 0
    told = capsys.readouterr().out
    assert "50 held-out prompts" in told
    assert told.count("\nWrite a recipe for ") == 3
    assert (tmp_path / "run" / "loss.png").exists()


def test_a_reader_who_has_enough_ends_it_in_silence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "chefgenius.train", "--print-config"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run_dir={file}", "`{file}`: is a file, no directory: choose another `run_dir`"),
        ("run_dir={file}/x", "`{file}`: is a file, no directory: choose another `run_dir`"),
        ("run_dir={file} --explain", "`{file}`: is a file, no directory: choose another `run_dir`"),
        ("run_dir=/proc/nope", "`/proc/nope/checkpoints`: no directory can be made there: choose another"),
    ],
)
def test_where_no_run_can_be_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert told.format(file=file) in refused(capsys, train.main(line.format(file=file).split()), 2)
