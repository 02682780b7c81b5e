"""The card of an exported model, README.md: what it learned from, how well it writes, what nobody has said.

1. `card` gathers it from the sections of the checkpoint, from run.json beside it, and from the store where
   that is still there; what is not known is said to be so.
2. The head is YAML, as model hubs read it. Licences are fields to be filled in: a trainer does not know them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chefgenius.console.screen import count
from chefgenius.data.shelf import Shelf
from chefgenius.data.store import StoreError
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.state import one_line
from chefgenius.settings.measures import MEASURES

Values = Mapping[str, Any]


def card(checkpoint: Path, sections: Mapping[str, Values], architecture: Values, adapter: bool) -> str:
    """The text for the model of a verified checkpoint; `architecture` is its config.json."""
    config, facts = sections["config"], sections["facts"]
    run = _json(checkpoint.parent.parent / "run.json")
    parts = [
        _head(config, architecture, adapter),
        "# A model that writes recipes",
        "Trained by chefgenius from a prompt with a title and ingredients to a whole recipe.",
        "## Use",
        _use(architecture, adapter),
        "## Data",
        *_data(checkpoint, config, facts, run),
        "## Metrics",
        *_metrics(sections),
        "## Training and exactness",
        _table(_training(sections, run)),
        "## Licence",
        "What is not said here the trainer does not know: fill it in before the model is passed on.",
        _table({"this model": None, "the model it began from": None, "the recipes": None}, "to be stated"),
    ]
    return "\n\n".join(parts) + "\n"


def _head(config: Values, architecture: Values, adapter: bool) -> str:
    lines = ["license: unknown", f"library_name: {'peft' if adapter else 'transformers'}"]
    lines.append(f"pipeline_tag: {_task(architecture)}")
    if isinstance(name := config.get("model.name_or_path"), str):
        lines.append(f"base_model: {json.dumps(_name(name))}")
    return "\n".join(["---", *lines, "tags: [recipes, chefgenius]", "---"])


def _task(architecture: Values) -> str:
    return "text2text-generation" if architecture.get("is_encoder_decoder") else "text-generation"


def _use(architecture: Values, adapter: bool) -> str:
    kind = "AutoModelForSeq2SeqLM" if architecture.get("is_encoder_decoder") else "AutoModelForCausalLM"
    if adapter:
        return "An adapter: `PeftModel.from_pretrained(base, PATH)` puts it into the model it was trained on."
    return (
        "```python\n"
        f"from transformers import AutoTokenizer, {kind}\n\n"
        "tokenizer = AutoTokenizer.from_pretrained(PATH)\n"
        f"model = {kind}.from_pretrained(PATH)\n"
        "```"
    )


def _data(checkpoint: Path, config: Values, facts: Values, run: Values) -> list[str]:
    lines = {
        "store": facts.get("store"),
        "tokenizer": facts.get("tokenizer"),
        "held out": f"{config.get('data.validation_fraction')} of the bodies, by content"
        if not config.get("data.validation_sources")
        else _names(config["data.validation_sources"]),
        "records left out by name": "yes" if facts.get("tombstones") else "none",
    }
    origin = _origin(checkpoint, facts, run)
    if origin is None:
        lines["sources"] = _names(config.get("data.sources") or ["the recipes that ship with chefgenius"])
        return [_table(lines), "The store is not where it was: counts and fidelity are not known here."]
    sources = [
        f"| {_cell(_name(str(one.get('name'))))} | {_cell(one.get('format'))} | "
        f"{one.get('counts', {}).get('kept'):,} | `{one.get('blake3')}` |"
        for one in origin["sources"]
    ]
    made = origin["making"]
    found, counts = made["fidelity"], made["counts"]
    filtered = ", ".join(f"{number:,} {why}" for why, number in counts["filtered"].items() if number)
    lines["records"] = f"{counts['kept']:,} kept, {counts['bad']:,} bad, filtered: {filtered or 'none'}"
    lines["fidelity"] = (
        f"{_share(found['records_same'], found['records'])} of the recipes and "
        f"{_share(found['quantities_same'], found['quantities'])} of the quantities come back from their ids"
    )
    head = ["| source | format | recipes | BLAKE3 |", "|---|---|---|---|"]
    return ["\n".join([*head, *sources]), _table(lines)]


def _origin(checkpoint: Path, facts: Values, run: Values) -> dict[str, Any] | None:
    """What the store says of its sources; None where it is gone, or too old to say it."""
    try:
        store = Shelf(checkpoint.parent.parent, run).store(str(facts.get("store")))
    except (NotFoundError, StoreError, OSError):
        return None
    origin = _json(store.path / "origin.json")
    try:
        origin["making"]["fidelity"]["records"], origin["making"]["counts"]["filtered"], origin["sources"]
    except (KeyError, TypeError):
        return None
    return dict(origin)


def _metrics(sections: Mapping[str, Values]) -> list[str]:
    last = sections.get("evaluation", {}).get("last")
    if not isinstance(last, dict):
        return ["It was not evaluated."]
    scores = {name: value for name, value in last.items() if name in MEASURES}
    scores |= last.get("scores") or {}
    rows = [
        f"| {name} | {value:.4g} | {_cell(MEASURES[name].meaning)} |"
        for name, value in scores.items()
        if name in MEASURES and isinstance(value, int | float)
    ]
    texts = count(last.get("prompts", 0), "text")
    told = f"On the recipes held out, after step {last.get('step')}, with {texts}."
    return [told, "\n".join(["| metric | value | meaning |", "|---|---|---|", *rows])]


def _training(sections: Mapping[str, Values], run: Values) -> dict[str, Any]:
    progress, config, facts = sections["progress"], sections["config"], sections["facts"]
    since = run.get("not_exact_since")
    exact = "yes: a run of the same settings on the same machine type and versions gives these very bits"
    return {
        "step": progress.get("step"),
        "recipes seen": progress.get("samples"),
        "target tokens seen": progress.get("target_tokens"),
        "seed": config.get("seed"),
        "optimizer": f"{config.get('optim.kind')}, learning rate {config.get('optim.learning_rate')}",
        "precision": config.get("train.precision"),
        "device": facts.get("device"),
        "world size": facts.get("world_size"),
        "torch": facts.get("torch"),
        "transformers": facts.get("transformers"),
        "exact": exact if run.get("exact") else None if "exact" not in run else f"not since step {since}",
        "weights it began from": facts.get("base") or config.get("model.name_or_path") or "new ones",
    }


def _table(rows: Values, unknown: str = "not known") -> str:
    lines = [f"| {name} | {unknown if value is None else _cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(value: object) -> str:
    """A value in one line, which ends no cell."""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else one_line(value)
    return text.replace("|", "\\|")


def _names(paths: Sequence[object]) -> str:
    return ", ".join(_name(str(path)) for path in paths)


def _name(path: str) -> str:
    """Of a path its last part: where it lay on somebody's machine is nobody's business."""
    return Path(path).name if path.startswith((".", "/", "~")) else path


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "none"


def _json(path: Path) -> Values:
    """The object in a file; an empty one where there is none."""
    try:
        made = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}
