"""The curves of a run as a picture, drawn from metrics.jsonl at its end."""

import io
import json
import math
from pathlib import Path
from typing import Any

from chefgenius.callbacks.protocol import Callback, Outcome
from chefgenius.run.manifest import replace_file

PLOT = "loss.png"


class LossPlot(Callback):
    """Draws the losses of metrics.jsonl as a PNG when the run is done."""

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Draw the plot of a run that is done."""
        if outcome is not None:
            draw_losses(outcome.run_path / "metrics.jsonl", outcome.run_path / PLOT)


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
