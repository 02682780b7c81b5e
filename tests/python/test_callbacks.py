import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from chefgenius.callbacks import PLOT, Callback, Console, LossPlot, Outcome, RunInfo, StepInfo
from chefgenius.callbacks.console import duration, figures
from chefgenius.callbacks.plot import draw_losses
from chefgenius.evaluation.evaluator import Evaluation, Sample
from matplotlib.figure import Figure
from rich.console import Console as Terminal

TEXT = "title: Lemon Rice | ingredients: 1 cup rice | 2 lemons | directions: Cook the rice. | Serve."
SAMPLE = Sample(3, "Write a recipe for Lemon Rice.", TEXT, TEXT, True, 2, 2)
STEP = StepInfo(10, 100, 0, 1.25, 3e-4, 0.5, 160.4, 19_000.7, 125.0)
FIRST = Evaluation(0, 0, 7.5, 100, 50, {"parsed": 0.0, "ingredients_found": 0.0, "quantities": None})
LAST = Evaluation(100, 3, 0.25, 100, 50, {"parsed": 0.96, "ingredients_found": 0.815})


def outcome(run: Path) -> Outcome:
    return Outcome(
        run, run / "checkpoints" / "step-00000100", 100, [2.5, 0.5], (0.25, 100), FIRST, LAST, [SAMPLE]
    )


def shown(run: Path, *, terminal: bool, result: Outcome | None = None, width: int = 100) -> str:
    """All that the console prints in a run of 100 steps, of which it sees two."""
    text = io.StringIO()
    console = Console(
        Terminal(file=text, force_terminal=terminal, width=width, highlight=False, color_system=None)
    )
    console.on_train_start(RunInfo(run, 0, 100, 5))
    console.on_step_end(STEP)
    console.on_step_end(replace(STEP, step=11, loss=9.0))
    console.on_eval_end(LAST)
    console.on_save(run)
    console.on_train_end(result)
    return text.getvalue()


def test_plain_lines_have_every_figure(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=False)
    assert "step 10/100  loss 1.250  lr 3.00e-04  160 recipes/s  19,001 tokens/s  2:05 left\n" in text
    assert "9.0" not in text
    assert "step 100: validation loss 0.2500\n" in text
    assert "\x1b" not in text


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)
    assert "step 11/100" in text
    assert "\x1b[?25h" in text, "the cursor is shown again"


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (None, "loss 1.250  lr 3.00e-04  160 recipes/s  19,001 tokens/s  2:05 left"),
        (66, "loss 1.250  lr 3.00e-04  160 recipes/s  19,001 tokens/s  2:05 left"),
        (65, "loss 1.250  lr 3.00e-04  160 recipes/s  2:05 left"),
        (48, "loss 1.250  lr 3.00e-04  2:05 left"),
        (0, "loss 1.250  2:05 left"),
    ],
)
def test_figures_make_room(room: int | None, told: str) -> None:
    assert figures(STEP, room) == told


@pytest.mark.parametrize("width", [60, 70, 80, 99, 200])
def test_the_bar_has_ten_columns_on_a_narrow_terminal(tmp_path: Path, width: int) -> None:
    (line,) = (one for one in shown(tmp_path, terminal=True, width=width).split("\r") if "step 11/100" in one)
    bar = line[line.index("step 11/100 ") + len("step 11/100 ") : line.index(" loss")]
    assert bar.startswith("━")
    assert len(bar) >= 10
    assert "2:05 left" in line


@pytest.mark.parametrize("terminal", [True, False])
def test_the_end_tells_before_and_after_recipes_and_places(tmp_path: Path, terminal: bool) -> None:
    (tmp_path / PLOT).write_bytes(b"")
    text = shown(tmp_path, terminal=terminal, result=outcome(tmp_path))
    assert ("╭─ Lemon Rice ─" in text, "\n\nLemon Rice\n\n  - " in text) == (terminal, not terminal)
    assert any(one in text for one in "╭┏│┃") == terminal
    for told in (
        "50 held-out prompts",
        "validation loss",
        "96 %",
        "82 %",
        "- 1 cup rice",
        "1. Cook the rice.",
        "best validation loss 0.2500 at step 100",
        "epoch 1: mean training loss 0.5000",
    ):
        assert told in text, told
    for place in (tmp_path, tmp_path / "checkpoints", tmp_path / PLOT):
        assert str(place) in text.replace("\n", "")


def test_a_text_that_is_no_recipe_is_cut(tmp_path: Path) -> None:
    result = replace(outcome(tmp_path), samples=[replace(SAMPLE, text="[b]" + "x" * 1000, parsed=False)])
    text = shown(tmp_path, terminal=False, result=result)
    assert "(no recipe)" in text
    assert "[b]xx" in text
    assert 200 < text.count("x") < 400


def test_without_evaluation_there_is_no_table(tmp_path: Path) -> None:
    result = Outcome(tmp_path, tmp_path, 100, [], None, None, None, [])
    assert "validation loss" not in shown(tmp_path, terminal=False, result=result).replace("step 100: v", "")


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 125, 3725)] == ["0:00", "1:00", "2:05", "1:02:05"]


def test_a_step_that_was_skipped_is_told_at_once(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(Terminal(file=text, width=200))
    console.on_train_start(RunInfo(tmp_path, 0, 100, 5))
    console.on_step_end(replace(STEP, step=11, loss=None, grad_norm=None, skipped=(4, 7)))
    assert "step 11/100  not finite: skipped, its 2 records are left out from now on\n" in text.getvalue()


def test_a_step_and_an_epoch_without_loss_are_told(tmp_path: Path) -> None:
    assert figures(replace(STEP, loss=None, grad_norm=None)).startswith("no loss  lr 3.00e-04")
    result = replace(outcome(tmp_path), epoch_losses=[None, 0.5])
    text = shown(tmp_path, terminal=False, result=result)
    assert "epoch 0: nothing was learned\nepoch 1: mean training loss 0.5000\n" in text


@pytest.mark.parametrize("lost", [[3], [1, 2, 8], range(1, 9)])
def test_the_plot_bears_steps_without_loss(tmp_path: Path, lost: Sequence[int]) -> None:
    lines = [
        {"kind": "step", "step": step, "loss": None if step in lost else 5 / step, "learning_rate": 0.1}
        for step in range(1, 9)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    draw_losses(tmp_path / "metrics.jsonl", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("evaluated", [True, False])
def test_the_plot_is_a_png(tmp_path: Path, evaluated: bool) -> None:
    lines = [{"kind": "step", "step": step, "loss": 5 / step, "learning_rate": 0.1} for step in range(1, 9)]
    if evaluated:
        lines.insert(0, {"kind": "evaluation", "step": 0, "validation_loss": 5.0})
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    draw_losses(tmp_path / "metrics.jsonl", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.jsonl", "x.png"}
    LossPlot().on_train_end(None)
    LossPlot().on_train_end(outcome(tmp_path))
    assert (tmp_path / PLOT).read_bytes().startswith(b"\x89PNG")


def test_a_plot_that_cannot_be_written_names_its_file_and_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    (tmp_path / PLOT).mkdir()
    with pytest.raises(IsADirectoryError, match="move it away") as error:
        LossPlot().on_train_end(outcome(tmp_path))
    assert error.value.filename == str(tmp_path / PLOT)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [((10.4, 10.2), ["10.2", "10.3", "10.4"]), ((8.0, 0.4), ["0.5", "1", "2", "5"])],
)
def test_the_losses_are_labelled_with_plain_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: tuple[float, ...], expected: list[str]
) -> None:
    lines = [{"kind": "step", "step": i, "loss": one, "learning_rate": 0.1} for i, one in enumerate(losses)]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    told: list[str] = []

    def seen(figure: Figure, *given: object, **named: object) -> None:
        low, high = figure.axes[0].get_ylim()
        axis = figure.axes[0].yaxis
        told.extend(
            label
            for label, place in zip(
                axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist()),
                axis.get_majorticklocs(),
                strict=True,
            )
            if low <= place <= high
        )
        assert not len(axis.get_minorticklocs())

    monkeypatch.setattr(Figure, "savefig", seen)
    draw_losses(tmp_path / "metrics.jsonl", tmp_path / PLOT)
    assert set(expected) <= set(told)
    assert [f"{float(label):g}" for label in told] == told


def test_a_callback_may_leave_out_every_point(tmp_path: Path) -> None:
    callback = Callback()
    callback.on_train_start(RunInfo(tmp_path, 0, 1, 1))
    callback.on_step_end(STEP)
    callback.on_eval_end(LAST)
    callback.on_save(tmp_path)
    callback.on_train_end(None)


@pytest.mark.parametrize("place", ["pipe", "/dev/full"])
def test_a_line_that_nobody_takes_is_an_error_with_a_name(place: str) -> None:
    """In a process of its own, whose standard output it is."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            reading, writing = os.pipe() if place == "pipe" else (0, os.open(place, os.O_WRONLY))
            os.close(reading)
            sys.stdout = open(writing, "w")  # noqa: SIM115 - the process ends with it
            console = Console()
            with pytest.raises(OSError, match=r"Broken pipe|No space left") as raised:
                console.say("step 1")
            assert raised.value.filename == "standard output"
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
