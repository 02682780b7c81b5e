"""`chefgenius.report`: what a page says of a run, whatever is missing, long or hostile."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chefgenius import report
from chefgenius.report.files import Run, read_lines
from chefgenius.report.page import content, render
from chefgenius.report.samples import chosen_steps
from chefgenius.report.starts import marks, span, starts
from handmade import EVIL, Outline, events, sample_line, step_line, write_json_lines, write_run

SECTIONS = [
    "curves",
    "starts",
    "evaluation",
    "samples",
    "lengths",
    "data",
    "checkpoints",
    "configuration",
    "versions",
]


def page(path: Path) -> Outline:
    assert report.main([str(path)]) == 0
    return Outline((path / "report.html").read_text())


def test_a_run_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = page(write_run(tmp_path / "mine"))
    size = (tmp_path / "mine" / "report.html").stat().st_size
    assert capsys.readouterr().out == (
        f"{tmp_path}/mine/report.html: step 60, {size / 1000:.2f} kB\n"
        "Exact: every start went on as if the run had never been stopped.\n"
    )
    assert found.fetched == []
    assert "script" not in found.tags
    assert found.ids == SECTIONS
    for told in (
        "finished at step 60 of 60",
        "Exact: every start went on",
        "best validation loss",
        "Learning rate",
        "Gradient norm",
        "Throughput",
        "Waiting for data",
        "Memory",
        "stopped (SIGINT)",
        "killed: no end is noted",
        "Lemon Rice",
        "no recipe",
        "as it was held out",
        "lists 1 of 2 asked ingredients",
        "optim.learning_rate",
        "torch",
        "chefgenius 0.1.0",
    ):
        assert told in found.text, told
    assert found.tags.count("figure") == 6
    assert not list((tmp_path / "mine").glob(".*"))


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoints").mkdir()
    found = page(tmp_path)
    assert found.ids == SECTIONS
    for told in (
        "nothing is logged yet",
        "There was no validation.",
        "No step is logged yet.",
        "Whether it is exact is not known",
        "it keeps no starts.jsonl",
        "There was no evaluation.",
        "No sample recipes were generated.",
        "Not shown: no step is taken yet.",
        "Not shown: run.json does not say where the store is.",
        "None is saved yet.",
        "config.yaml is not there.",
        "Not known: run.json is not there.",
    ):
        assert told in found.text, told
    assert "not there: metrics.jsonl\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["run.json", "config.yaml", "metrics.jsonl", "timing.jsonl", "samples.jsonl", "starts.jsonl"]
)
@pytest.mark.parametrize("damage", ["gone", "empty", "torn", "strange"])
def test_a_file_that_is_missing_or_damaged_is_no_error(tmp_path: Path, name: str, damage: str) -> None:
    run = write_run(tmp_path / "run", steps=20)
    path = run / name
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:-25])
    else:
        path.write_bytes(b'[1]\n{"step": "x"}\n\xff\xfe\n{"step": 3, "kind": 7, "loss": [], "event": {}}\n')
    assert page(run).ids == SECTIONS


def test_a_damaged_run_json_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", steps=20)
    for junk in ("", "junk"):
        (run / "run.json").write_text(junk)
        assert "run.json is damaged and cannot be read; the next start of train" in page(run).text
        told = capsys.readouterr().out
        assert f"damaged: `{run}/run.json` cannot be read: the next start of `train` writes it anew\n" in told
        assert "run.json\n" not in told


def test_a_store_that_is_gone_is_said(tmp_path: Path) -> None:
    found = page(write_run(tmp_path / "run", store=str(tmp_path / "stores" / "store-1")))
    assert f"`{tmp_path}/stores/report.json` is not there any more" in found.text
    assert found.text.count("Not shown:") == 2


def test_nothing_of_the_data_becomes_part_of_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", machine=EVIL, facts={EVIL: EVIL})
    recipe = f"title: {EVIL} | ingredients: 1 cup {EVIL} | directions: {EVIL}"
    write_json_lines(run / "samples.jsonl", [sample_line(20, 3, recipe), sample_line(40, 3, EVIL)])
    lines = events(60)
    lines[1]["why"] = EVIL
    lines[0]["version"] = EVIL
    write_json_lines(run / "starts.jsonl", lines)
    (run / "config.yaml").write_text(f"# {EVIL}\n")
    found = page(run)
    assert found.fetched == []
    assert not {"script", "img"} & set(found.tags)
    assert found.text.count("<script>alert('x')</script>") >= 7


def test_a_run_that_is_not_exact_says_since_when(tmp_path: Path) -> None:
    found = page(write_run(tmp_path / "run", exact=False, not_exact_since=30))
    assert "Not exact since step 30" in found.text
    assert "Where the ground is tinted" in found.text
    assert found.tags.count("rect") == 6
    fast = page(write_run(tmp_path / "fast", facts={"strict": False}))
    assert "Its arithmetic is not held to the bit" in fast.text


@pytest.mark.parametrize("steps", [20_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_long_run_is_short_and_keeps_its_spikes(tmp_path: Path, steps: int) -> None:
    run = write_run(tmp_path / "run", steps=20)
    spike = steps - 7_213
    lines = (step_line(step, loss=1234.5 if step == spike else 2.0) for step in range(1, steps + 1))
    write_json_lines(run / "metrics.jsonl", lines)
    begun = time.process_time()
    values = content(Run.read(run))
    text = render("run.html", values)
    assert time.process_time() - begun < 10
    assert len(text) < 1_000_000
    drawn = values["charts"][0]
    assert f"the median of {steps // 500} values each" in text
    top = min(float(point.split()[1]) for point in drawn.curves[0].band[1:-1].replace("M", "L").split("L"))
    assert 0 < top < 50, "the spike stands in the band, just under the upper edge"


def test_lines_that_are_no_records_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"step": 1}\n\n[]\n{"step": "2"}\nnull\n{"step": 3}\n{"step": 4')
    assert [line["step"] for line in read_lines(path)] == [1, 3]
    assert read_lines(tmp_path / "none") == []
    (tmp_path / "link").symlink_to(path)
    assert read_lines(tmp_path / "link") == []


def test_starts_tell_how_each_ended() -> None:
    first, second, third = starts(events(60), running=False, reached=60)
    assert (first.step, first.until, first.ended, first.lasted) == (0, 30, "stopped (SIGINT)", "1 min 05 s")
    assert (second.step, second.until, second.ended) == (30, None, "killed: no end is noted")
    assert (third.step, third.until, third.ended) == (35, 60, "finished")
    assert [(mark.step, mark.text) for mark in marks([first, second, third])] == [(30, "2"), (35, "3")]


def test_steps_that_were_lost_are_counted_and_a_running_start_has_no_end() -> None:
    lines = [*events(60)[:2], {"event": "start", "step": 20, "time": 1.7e9}]
    assert [one.lost for one in starts(lines, running=True, reached=25)] == [10, 0]
    (_, last) = starts(lines, running=True, reached=25)
    assert (last.ended, last.until) == ("goes on", 25)
    (_, last) = starts(lines, running=False, reached=25)
    assert (last.ended, last.until) == ("no end is noted: it still goes on, or was killed", None)


def test_starts_at_one_step_share_a_mark() -> None:
    lines = [{"event": "start", "step": step, "time": 1.7e9} for step in (0, 20, 20, 40)]
    found = marks(starts(lines, running=False, reached=40))
    assert [(mark.step, mark.text) for mark in found] == [(20, "3"), (40, "4")]
    assert "start 2 and 3 went on here" in found[0].told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(float("nan"), ""), (-1, ""), (3.21, "3.2 s"), (59, "59 s"), (65, "1 min 05 s"), (7300, "2 h 01 min")],
)
def test_spans_have_two_units(seconds: float, told: str) -> None:
    assert span(seconds) == told


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 40])
@pytest.mark.parametrize("best", [None, 0, 130, 5])
def test_the_first_the_last_and_the_best_samples_are_shown(count: int, best: int | None) -> None:
    steps = list(range(0, 10 * count, 10))
    chosen = chosen_steps(steps, best)
    assert len(chosen) == len(set(chosen)) <= 6
    assert chosen == sorted(chosen)
    assert {steps[0], steps[-1]} <= set(chosen) <= set(steps)
    assert best not in steps or best in chosen
    if count >= 7:
        assert np.diff(chosen).max() <= 10 * count / 2


def test_a_command_line_that_is_wrong_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"error: no run in `{tmp_path}/none`: give a directory that holds `checkpoints`\n"
    )
    run = write_run(tmp_path / "run", steps=5)
    assert report.main([str(run), "--out", str(tmp_path / "no" / "page.html")]) == 2
    assert f"`{tmp_path}/no`" in capsys.readouterr().err
    assert report.main([str(run)] * 7) == 2
    assert "7 runs are too many for one page: give at most 6" in capsys.readouterr().err
    assert report.main([str(run), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").is_file()
    assert not (run / "report.html").exists()


def test_neither_the_help_nor_a_page_imports_torch(tmp_path: Path) -> None:
    write_run(tmp_path / "run", steps=5)
    code = (
        "import sys; from chefgenius import report\n"
        "assert report.main(sys.argv[1:]) == 0\n"
        "print(sorted({'torch', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "run")]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert found.stdout.endswith("\n[]\n")


def test_a_page_takes_the_place_of_the_former(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", steps=5)
    (run / "report.html").write_text("former")
    (run / ".report.html.new").write_text("left by a kill")
    assert report.main([str(run)]) == 0
    assert "former" not in (run / "report.html").read_text()
    assert json.loads((run / "run.json").read_text())["finished"] == 5
    assert not list(run.glob(".*"))
