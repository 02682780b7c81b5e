"""A run as one page of HTML without anything outside it.

1. `content` asks the modules of the parts; what is not there is a sentence in its place.
2. `render` fills the template, in which all that comes from data is escaped.
3. `write` puts the page where it belongs, by a temporary file and a rename.
"""

import fcntl
import os
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from chefgenius.console.screen import gigabytes
from chefgenius.data.outcome import Report
from chefgenius.data.summary import HEAD, facts, outcomes, percent
from chefgenius.report.axes import number
from chefgenius.report.charts import sparkline
from chefgenius.report.curves import charts
from chefgenius.report.files import Run, read_object, real
from chefgenius.report.lengths import NotHereError, Padding, Way, store_report
from chefgenius.report.samples import rows
from chefgenius.report.starts import marks, moment, span, starts
from chefgenius.run.manifest import replace_file
from chefgenius.settings.measures import MEASURES

SHOWN = 30
"""rows of a list that may grow without end"""


@dataclass(frozen=True)
class Tile:
    """One figure at the head of the page."""

    name: str
    value: str
    beside: str = ""


@dataclass(frozen=True)
class Metric:
    """One metric of the evaluations."""

    label: str
    meaning: str
    first: str
    last: str
    best: str
    line: str
    """its course, as a path"""


def content(run: Run, *, running: bool = False) -> dict[str, Any]:
    """All that the template shows."""
    padding, no_padding = padding_of(run)
    begun = starts(run.events, running=running, reached=run.step)
    best = _best(run)
    report, no_report = _data(run)
    return {
        "run": run,
        "title": run.name,
        "written": moment(datetime.now().timestamp()),
        "status": _status(run, running=running),
        "exact": exactness(run),
        "tiles": _tiles(run, padding, best),
        "charts": charts([run], [run.name], [padding], marks(begun)),
        "starts": begun[-SHOWN:],
        "starts_left_out": max(len(begun) - SHOWN, 0),
        "metrics": _metrics(run),
        "best": best,
        "samples": rows(run.samples, None if best is None else best[1]),
        "padding": padding,
        "no_padding": no_padding,
        "histograms": [] if padding is None else padding.histograms(),
        "data": report,
        "no_data": no_report,
        "settings": changed_settings(run),
        "checkpoints": run.inventory.checkpoints,
        "facts": machine(run),
    }


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template of this package, filled."""
    environment = Environment(
        loader=PackageLoader("chefgenius.report", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(gigabytes=gigabytes, number=number, shown=shown)
    return environment.get_template(template).render(**values)


def write(path: Path, text: str) -> int:
    """The page, all or nothing; its size in bytes. Raises OSError."""
    data = text.encode(errors="replace")
    with _alone(path.absolute().parent):
        replace_file(path, data)
    return len(data)


def exactness(run: Run) -> tuple[bool | None, str, list[str]]:
    """Whether the run is exact (None: not known), a sentence that says so, and what was allowed to change."""
    since, known = run.inexact_since, run.exactness
    if since is not None:
        changes = [] if known is None else known.changes
        told = [f"step {one.step:,}: {change}" for one in changes for change in one.allowed]
        return False, f"Not exact since step {since:,}: something was allowed to change there.", told
    if not run.facts and known is None:
        return None, "Whether it is exact is not known: neither run.json nor a checkpoint can be read.", []
    if run.lost:
        return (
            None,
            "The logs are damaged, so what they tell may not be the run. As far as its newest checkpoint "
            "knows, every start went on as if it had never been stopped.",
            [],
        )
    told = run.facts.get("facts", {}) if isinstance(run.facts.get("facts"), dict) else {}
    if told.get("strict") is False:
        return (
            True,
            "Exact in its recipes and their order. Its arithmetic is not held to the bit "
            "(train.determinism is fast).",
            [],
        )
    return True, "Exact: every start went on as if the run had never been stopped.", []


def changed_settings(run: Run) -> list[tuple[str, Any, Any]]:
    """Every key with its value and its default."""
    from chefgenius.settings.config import Config, flatten

    plain = flatten(Config())
    return [(key, value, plain.get(key)) for key, value in run.settings().items() if key != "run_dir"]


def machine(run: Run) -> list[tuple[str, str]]:
    """Names and values of versions and machine."""
    known = dict(run.facts)
    told = known.pop("facts", {})
    made: dict[str, Any] = {
        name: known[name] for name in ("python", "machine", "parameters", "store") if name in known
    }
    made |= told if isinstance(told, dict) else {}
    versions = list(dict.fromkeys(str(line["version"]) for line in run.events if line.get("version")))
    made |= {"chefgenius": ", then ".join(versions)} if versions else {}
    return [(name, shown(value)) for name, value in made.items() if value not in (None, "")]


def shown(value: Any) -> str:
    """A value of the configuration or a fact, for a person."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}" if value >= 10000 else str(value)
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {shown(one)}" for name, one in value.items()) or "none"
    return str(value)


def _status(run: Run, *, running: bool) -> str:
    total = "" if run.total is None else f" of {run.total:,}"
    at = f"step {run.step:,}{total}"
    if run.finished:
        early = run.events[-1].get("why") if run.events else ""
        return f"finished at {at}" + (f": {early}" if early else "")
    return f"training, at {at}" if running else f"at {at}"


def _best(run: Run) -> tuple[str, int, str] | None:
    """Label of the metric that is the best by, step and value of the best evaluation."""
    metric = run.inventory.best_metric
    found = [(one, int(line["step"])) for line in run.evaluations if (one := real(line.get(metric))) == one]
    if metric not in MEASURES or not found:
        return None
    measure = MEASURES[metric]
    value, step = found[0]
    for other, at in found[1:]:
        if measure.is_better(other, value):
            value, step = other, at
    return measure.label, step, measure.told(value)


def _tiles(run: Run, padding: Padding | None, best: tuple[str, int, str] | None) -> Iterator[Tile]:
    if run.evaluations:
        first, last = run.evaluations[0], run.evaluations[-1]
        begun = f"from {real(first.get('validation_loss')):.4f} at step {first['step']:,}"
        yield Tile("validation loss", f"{real(last.get('validation_loss')):.4f}", begun)
    if best is not None:
        yield Tile(f"best {best[0]}", best[2], f"at step {best[1]:,}")
    losses = [real(line.get("loss")) for line in run.steps]
    known = [one for one in losses if one == one]
    if known and not run.evaluations:
        yield Tile("training loss", f"{known[-1]:.4f}", f"from {known[0]:.4f}")
    if run.steps:
        last_step = run.steps[-1]
        samples, epoch = int(last_step.get("samples", 0)), int(last_step.get("epoch", 0))
        yield Tile("recipes seen", f"{samples:,}", f"in epoch {epoch}")
        tokens = int(last_step.get("input_tokens", 0)) + int(last_step.get("target_tokens", 0))
        yield Tile("tokens seen", f"{tokens:,}", "of prompts and targets")
    rates = [rate for line in run.timing if (rate := real(line.get("recipes_per_second"))) == rate]
    if rates:
        seconds = sum(s for line in run.timing if (s := real(line.get("seconds"))) == s)
        yield Tile("recipes a second", f"{statistics.median(rates):,.0f}", "median of the log's lines")
        yield Tile("time in training", span(seconds), "of the steps that count")
    if padding is not None:
        at_random = f"{100 * padding.at_random:.0f} % in batches at random"
        yield Tile("padding", f"{100 * padding.dealt:.1f} %", at_random)


def _metrics(run: Run) -> list[Metric]:
    made = []
    for name, measure in MEASURES.items():
        values = [real(line.get(name)) for line in run.evaluations]
        known = [one for one in values if one == one]
        if known:
            best = max(known) if measure.higher_is_better else min(known)
            line = sparkline([one if one == one else None for one in values])
            first, last, most = (measure.told(one) for one in (known[0], known[-1], best))
            made.append(Metric(measure.label, measure.meaning, first, last, most, line))
    return made


def padding_of(run: Run) -> tuple[Padding | None, str]:
    """What was measured, or why nothing was."""
    if not run.step:
        return None, "no step is taken yet"
    try:
        return Padding.of(Way(run), run.step), ""
    except NotHereError as error:
        return None, str(error)


def _data(run: Run) -> tuple[dict[str, Any] | None, str]:
    """The data report of the run's store, or why there is none."""
    path = store_report(run)
    if path is None:
        damaged = "is damaged and " if run.facts_damaged else ""
        return None, f"run.json {damaged}does not say where the store is"
    values = read_object(path)
    if not values:
        return None, f"`{path}` is not there any more"
    told = run.facts.get("facts")
    if isinstance(told, dict) and told.get("store") not in (None, values.get("store")):
        return None, f"`{path}` tells of another store, which was prepared since"
    try:
        report = Report(**values)
        fidelity = report.fidelity
        return {
            "head": HEAD,
            "outcomes": outcomes(report),
            "facts": [one for one in facts(report, path) if one[0]],
            "errors": report.errors(),
            "bad": report.bad,
            "worst": fidelity["worst"],
            "loses": report.loses,
            "same": percent(fidelity["records_same"], fidelity["records"]),
            "path": str(path),
        }, ""
    except (TypeError, KeyError, ValueError, AttributeError):
        return None, f"`{path}` is of another version"


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Waits until no other process writes a page in a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
