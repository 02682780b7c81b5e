"""Those who watch a run: they see small records of it, never the trainer, and change nothing it computes.

`Console` shows progress: a bar in a terminal, plain lines elsewhere. `LossPlot` draws the curves at the end.
"""

import errno
import io
import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chefgenius.evaluation import Evaluation, Sample
from chefgenius.manifest import STDOUT, named_errors, replace_file
from chefgenius.measures import MEASURES
from chefgenius.recipe import Recipe
from chefgenius.signals import BOUND


@dataclass(frozen=True)
class RunInfo:
    """What is known when the training begins."""

    run_path: Path
    step: int
    """the boundary it begins at"""
    total_steps: int
    log_every: int


@dataclass(frozen=True)
class StepInfo:
    """One optimizer step."""

    step: int
    total_steps: int
    epoch: int
    loss: float | None
    """mean by target token of this step; None where the weights were not moved"""
    learning_rate: float
    grad_norm: float | None
    """before clipping"""
    recipes_per_second: float
    """on average since this start of the process, as are the tokens and the time left"""
    tokens_per_second: float
    seconds_left: float
    skipped: tuple[int, ...] = ()
    """records of a step that was not finite: they are left out from now on"""


@dataclass(frozen=True)
class Outcome:
    """What is known when the training has ended."""

    run_path: Path
    checkpoint: Path
    step: int
    epoch_losses: Sequence[float | None]
    best: tuple[float, int] | None
    """best value of `best_metric` and its step"""
    first: Evaluation | None
    last: Evaluation | None
    samples: Sequence[Sample]
    best_metric: str = "validation_loss"
    ended: str = ""
    """why the run ended before its last step; empty where it did not"""


class Callback:
    """The points at which a run can be watched; a subclass defines those that it needs."""

    def on_train_start(self, info: RunInfo) -> None:
        """Before the first boundary of this process."""

    def on_step_end(self, info: StepInfo) -> None:
        """After each optimizer step and its metrics line, before its evaluation and its checkpoint."""

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """After each evaluation."""

    def on_save(self, checkpoint: Path) -> None:
        """After a checkpoint appeared, or was found to be there."""

    def on_train_end(self, outcome: Outcome | None) -> None:
        """At last; `outcome` is None when the run stopped before its end."""


class _Terminal(Terminal):
    """One that nobody may read on from is an error like any other, which leaves time to save."""

    def on_broken_pipe(self) -> None:
        """Says nothing more, raises BrokenPipeError."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def tell(callbacks: Sequence[Callback], point: str, value: Any) -> None:
    """Tells every callback, also after one that could not write; its OSError is raised at last."""
    failed: list[OSError] = []
    for callback in callbacks:
        try:
            getattr(callback, point)(value)
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]


class Console(Callback):
    """Progress for a person. In a terminal a bar that lives, elsewhere one line per `log.every_steps`."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self._terminal = terminal or _Terminal(highlight=False)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._every = 1

    def say(self, text: str) -> None:
        """One plain line."""
        with named_errors(STDOUT):
            self._terminal.print(Text(text), soft_wrap=True)

    def on_train_start(self, info: RunInfo) -> None:
        """Say how to stop, and begin the bar, in a terminal."""
        self.say(f"a stop (Ctrl-C or SIGTERM) is honoured within {BOUND}, after one in flight")
        self._every = info.log_every
        if not self._terminal.is_terminal:
            return
        self._bar = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            console=self._terminal,
            expand=True,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("", total=info.total_steps, completed=info.step, figures="")
        self._bar.start()

    def on_step_end(self, info: StepInfo) -> None:
        """Show the step."""
        at = f"step {info.step}/{info.total_steps}"
        if info.skipped:
            self.say(f"{at}  not finite: skipped, its {len(info.skipped)} records are left out from now on")
        if self._bar is not None:
            room = self._terminal.width - len(at) - 2 - BAR
            self._bar.update(self._task, completed=info.step, figures=figures(info, room))
        elif info.step % self._every == 0 or info.step == info.total_steps:
            self.say(f"{at}  {figures(info)}")

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Show the validation loss."""
        self.say(f"step {evaluation.step}: validation loss {evaluation.validation_loss:.4f}")

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Show before and after, recipes, and where everything is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if outcome is None:
            return
        with named_errors(STDOUT):
            if outcome.first is not None and outcome.last is not None:
                self._terminal.print(comparison(outcome.first, outcome.last))
            for sample in outcome.samples:
                self._terminal.print(card(sample))
        for epoch, loss in enumerate(outcome.epoch_losses):
            told = "nothing was learned" if loss is None else f"mean training loss {loss:.4f}"
            self.say(f"epoch {epoch}: {told}")
        if outcome.best is not None:
            measure, (value, step) = MEASURES[outcome.best_metric], outcome.best
            self.say(f"best {measure.label} {measure.told(value)} at step {step}")
        if outcome.ended:
            self.say(f"ended early at step {outcome.step}: {outcome.ended}")
        self.say(f"run:         {outcome.run_path}")
        self.say(f"checkpoints: {outcome.checkpoint.parent}")
        if (outcome.run_path / PLOT).is_file():
            self.say(f"loss plot:   {outcome.run_path / PLOT}")


PLOT = "loss.png"
BAR = 10
"""columns that a progress bar has at least"""
SHOWN = 300
"""characters of a generated text that is no recipe"""


class LossPlot(Callback):
    """Draws the losses of metrics.jsonl as a PNG when the run is done."""

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Draw the plot of a run that is done."""
        if outcome is not None:
            draw_losses(outcome.run_path / "metrics.jsonl", outcome.run_path / PLOT)


def figures(info: StepInfo, room: int | None = None) -> str:
    """The figures of a step; where they need more than `room` columns, without the least important."""
    rate, recipes, tokens = (
        f"lr {info.learning_rate:.2e}",
        f"{info.recipes_per_second:,.0f} recipes/s",
        f"{info.tokens_per_second:,.0f} tokens/s",
    )
    loss = "no loss" if info.loss is None else f"loss {info.loss:.3f}"
    shown = [loss, rate, recipes, tokens, f"{duration(info.seconds_left)} left"]
    for dropped in (tokens, recipes, rate):
        if room is not None and len("  ".join(shown)) > room:
            shown.remove(dropped)
    return "  ".join(shown)


def draw_losses(metrics: Path, target: Path) -> None:
    """The training and validation loss over the steps, the learning rate below; 900 x 600 pixels.

    Appears by one rename. Raises OSError.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import AutoLocator, LogLocator, NullLocator, StrMethodFormatter

    with open(metrics, encoding="utf-8") as lines:
        records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    steps = [record for record in records if record["kind"] == "step"]
    evaluations = [record for record in records if record["kind"] == "evaluation"]
    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    trained = [math.nan if one["loss"] is None else one["loss"] for one in steps]
    losses.plot([one["step"] for one in steps], trained, linewidth=1, label="training")
    if evaluations:
        at = [one["step"] for one in evaluations]
        losses.plot(at, [one["validation_loss"] for one in evaluations], marker="o", label="validation")
    losses.set_ylabel("loss per target token (nats)")
    losses.set_yscale("log")
    low, high = losses.get_ylim()
    losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else AutoLocator())
    losses.yaxis.set_minor_locator(NullLocator())
    losses.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    losses.legend()
    losses.grid(alpha=0.3)
    rates.plot([one["step"] for one in steps], [one["learning_rate"] for one in steps], linewidth=1)
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step")
    rates.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    replace_file(target, picture.getvalue())


def comparison(first: Evaluation, last: Evaluation) -> Table:
    """The figures before and after."""
    title = f"{last.prompts} held-out prompt{'s' if last.prompts > 1 else ''}"
    table = Table(title=title if last.prompts else None, title_justify="left")
    table.add_column("")
    for one in (first, last):
        table.add_column(f"step {one.step}", justify="right")
    for name, measure in MEASURES.items():
        values = first.value(name), last.value(name)
        if values != (None, None):
            table.add_row(measure.label, *map(measure.told, values))
    return table


def card(sample: Sample) -> Panel:
    """One generated recipe, laid out to be read; a text that is none is shown as it came, if long cut."""
    recipe = Recipe.parse(sample.text)
    body = Text(f"{sample.prompt}\n", style="dim")
    plain = Style(dim=False)
    if recipe is None:
        text = sample.text if len(sample.text) <= SHOWN else f"{sample.text[:SHOWN]} ..."
        body.append(f"\n{text}", plain)
        return Panel(body, title="(no recipe)", title_align="left")
    for line in recipe.ingredients:
        body.append(f"\n  - {line}", plain)
    body.append("\n")
    for number, step in enumerate(recipe.directions, start=1):
        body.append(f"\n{number}. {step}", plain)
    return Panel(body, title=Text(recipe.title, style="bold"), title_align="left")


def duration(seconds: float) -> str:
    """`2:05`, or `1:02:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
