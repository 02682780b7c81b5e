"""A run as a person sees it: a bar in a terminal, plain lines elsewhere, and what it came to at its end."""

import errno
import os
from contextlib import suppress

from rich.box import HEAVY_HEAD
from rich.console import Console as Terminal
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chefgenius.callbacks.plot import PLOT
from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.console.screen import count
from chefgenius.data.recipe import Recipe
from chefgenius.evaluation.evaluator import Evaluation, Sample
from chefgenius.run.manifest import STDOUT, named_errors
from chefgenius.run.rundir import PAGE
from chefgenius.run.signals import BOUND
from chefgenius.settings.measures import MEASURES

BAR = 10
"""columns that a progress bar has at least"""
SHOWN = 300
"""characters of a generated text that is no recipe"""


class _Terminal(Terminal):
    """One that nobody may read on from is an error like any other, which leaves time to save."""

    def on_broken_pipe(self) -> None:
        """Says nothing more, raises BrokenPipeError."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


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
            told = f"{count(len(info.skipped), 'record')} {'is' if len(info.skipped) == 1 else 'are'}"
            self.say(f"{at}  not finite: skipped, its {told} left out from now on")
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
                self._terminal.print(comparison(outcome.first, outcome.last, self._terminal.is_terminal))
            for sample in outcome.samples:
                self._terminal.print(card(sample) if self._terminal.is_terminal else plain(sample))
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
        if (outcome.run_path / PAGE).is_file():
            self.say(f"report:      {outcome.run_path / PAGE}")


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


def comparison(first: Evaluation, last: Evaluation, boxed: bool = True) -> Table:
    """The figures before and after, in a box or in plain columns."""
    title = f"{last.prompts} held-out prompt{'s' if last.prompts > 1 else ''}"
    table = Table(
        title=title if last.prompts else None,
        title_justify="left",
        box=HEAVY_HEAD if boxed else None,
        padding=(0, 1) if boxed else (0, 2, 0, 0),
    )
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
    title, lines = _laid_out(sample)
    body = Text(f"{sample.prompt}\n", style="dim")
    body.append("\n" + "\n".join(lines), Style(dim=False))
    return Panel(body, title=Text(title, style="bold"), title_align="left")


def plain(sample: Sample) -> Text:
    """The same without a box."""
    title, lines = _laid_out(sample)
    return Text("\n".join(["", sample.prompt, "", title, "", *lines, ""]))


def _laid_out(sample: Sample) -> tuple[str, list[str]]:
    recipe = Recipe.parse(sample.text)
    if recipe is None:
        return "(no recipe)", [sample.text if len(sample.text) <= SHOWN else f"{sample.text[:SHOWN]} ..."]
    steps = [f"{number}. {step}" for number, step in enumerate(recipe.directions, start=1)]
    return recipe.title, [*(f"  - {line}" for line in recipe.ingredients), "", *steps]


def duration(seconds: float) -> str:
    """`2:05`, or `1:02:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
