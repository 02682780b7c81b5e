"""The charts of one run, or of several laid over each other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chefgenius.report.charts import Drawn, Mark, Series, draw
from chefgenius.report.files import Run, column
from chefgenius.report.lengths import Padding
from chefgenius.report.thinning import Floats

Pair = tuple[Floats, Floats]
"""steps and values"""
Curve = tuple[str, Callable[[Run], Pair], bool]
"""a name, what has the values, and whether they have dots"""
_GB = 1e9


def charts(
    runs: Sequence[Run], names: Sequence[str], paddings: Sequence[Padding | None], marks: Sequence[Mark]
) -> list[Drawn]:
    """Every chart that has something to show; a colour for each run, of one run for each curve."""
    alone = len(runs) == 1
    until = max(max(run.step, (run.total or 0) if alone else 0) for run in runs)
    inexact = runs[0].inexact_since if alone else None

    def chart(title: str, unit: str, *curves: Curve, **how: Any) -> None:
        series = []
        for place, (run, name) in enumerate(zip(runs, names, strict=True)):
            for number, (curve, values, dots) in enumerate(curves):
                steps, found = values(run)
                if len(steps) and np.isfinite(found).any():
                    told = curve if alone else f"{name}{', ' * bool(curve)}{curve}"
                    series.append(Series(told, steps, found, (number if alone else place) + 1, dots))
        drawn = draw(title, unit, series, marks=marks, until=until, inexact=inexact, **how)
        if drawn is not None:
            made.append(drawn)

    made: list[Drawn] = []
    training: Curve = ("training" if alone else "", lambda run: column(run.steps, "loss"), False)
    validation: Curve = (
        "validation" if alone else "",
        lambda run: column(run.evaluations, "validation_loss"),
        True,
    )
    unit = "nats by target token"
    if alone:
        chart("Loss", unit, training, validation, logarithmic=True, wide=True)
    else:  # two for each run would lie on one another
        chart("Training loss", unit, training, logarithmic=True, wide=True)
        chart("Validation loss", unit, validation, logarithmic=True, wide=True)
    chart("Learning rate", "", ("", lambda run: column(run.steps, "learning_rate"), False), bounds=(0.0, 0.0))
    chart(
        "Gradient norm",
        "before it is clipped",
        ("", lambda run: column(run.steps, "grad_norm"), False),
        logarithmic=True,
    )
    scale: Curve = ("", lambda run: column(run.steps, "loss_scale"), False)
    chart("Loss scale", "under fp16", scale, logarithmic=True)
    chart(
        "Throughput",
        "tokens of prompts and targets a second",
        ("", lambda run: column(run.timing, "tokens_per_second"), False),
        bounds=(0.0, 0.0),
    )
    chart(
        "Waiting for data",
        "share of the time in training",
        ("", _waiting, False),
        bounds=(0.0, 1.0),
        suffix=" %",
    )
    of_runs = dict(zip(map(id, runs), paddings, strict=True))
    chart(
        "Padding",
        "share of the places of a batch",
        ("", lambda run: _padding(of_runs[id(run)]), False),
        bounds=(0.0, 5.0),
        suffix=" %",
        notes=_sampled(paddings) if alone else (),
    )
    chart(
        "Memory",
        "GB",
        ("most so far", lambda run: _scaled(column(run.timing, "peak_memory")), False),
        ("the process", lambda run: _scaled(column(run.system, "process_memory")), False),
        ("most on the GPU", lambda run: _scaled(column(run.timing, "peak_cuda_memory")), False),
        bounds=(0.0, 0.0),
    )
    return made


def _sampled(paddings: Sequence[Padding | None]) -> list[str]:
    known = [one for one in paddings if one is not None]
    if not known:
        return []
    return [f"built anew from the store: {known[0].batches:,} micro-batches of {len(known[0].steps):,} steps"]


def _waiting(run: Run) -> Pair:
    steps, waited = column(run.timing, "data_wait")
    seconds = column(run.timing, "seconds")[1]
    if len(seconds) != len(waited):
        return steps[:0], waited[:0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return steps, np.where(seconds > 0, 100 * waited / seconds, np.nan)


def _padding(one: Padding | None) -> Pair:
    return (np.empty(0), np.empty(0)) if one is None else (one.steps, 100 * one.shares)


def _scaled(pair: Pair) -> Pair:
    return pair[0], pair[1] / _GB
