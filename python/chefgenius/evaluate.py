"""The command `evaluate`: how good a checkpoint is, on the recipes its run held out or on any others.

1. `parser` holds the options; `located` finds the checkpoint before torch is loaded.
2. `held_out` opens the validation side of the run's own data, `others` prepares the sources that are given,
   with the tokenizer and the template of the run.
3. `evaluation` does what it does in training, so that the same checkpoint gets the same figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chefgenius.command import Parser, at_least, finish, opening, page

if TYPE_CHECKING:
    from chefgenius.data.loader import RecipeLoader
    from chefgenius.evaluation.evaluator import Evaluation
    from chefgenius.run.located import Located

GROUPS = ("recipe", "bleu", "chrf", "rouge")


def parser() -> Parser:
    """The command's options."""
    made = page(
        "evaluate",
        "MODEL [--source FILE...] [options]",
        "Judge a checkpoint by its loss and by the texts that it writes: without\n"
        "`--source` on the recipes that its run held out, as the run itself does.",
        "chefgenius evaluate runs/mine --checkpoint best --source others.jsonl",
    )
    add = made.add_argument
    add("model", type=Path, metavar="MODEL", help="a run, a checkpoint or an exported model")
    add("--source", nargs="+", metavar="FILE", help="recipes to judge it by, all of them: docs/formats.md")
    opening(add)
    add("--metrics", metavar="LIST", help=f"of {','.join(GROUPS)} (default: all there)")
    add("--prompts", type=at_least(0), metavar="N", help="how many texts are judged (default: as in the run)")
    add("--max-new-tokens", type=at_least(1), metavar="N", help="where a text ends (default: as in the run)")
    add("--max-batches", type=at_least(1), metavar="N", help="how much the loss is over (default: all)")
    add("--json", action="store_true", help="one JSON object instead of a table")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: evaluate(options))


def evaluate(options: argparse.Namespace) -> int:
    """Judge, and print."""
    from chefgenius.run.located import locate, standing

    located = locate(options.model, options.checkpoint)
    if located.warning:
        _note(located.warning)
    if options.source is None and located.run is None:
        raise ValueError(
            f"`{options.model}` lies in no run, which would have held recipes out: give `--source`"
        )
    settings = located.config.eval
    given = {name: getattr(options, name) for name in ("prompts", "max_new_tokens", "max_batches")}
    changes = {name: value for name, value in given.items() if value is not None}
    changes["metrics"] = _groups(options.metrics)
    settings = settings.model_copy(update=changes)
    with ExitStack() as closing:
        closing.enter_context(standing(located.directory))
        loader = closing.enter_context(
            held_out(located, options.store, _note)
            if options.source is None
            else others(located, options.source, options.store)
        )
        from chefgenius.console.screen import bar, count
        from chefgenius.evaluation.evaluator import ROWS, Evaluator, figures
        from chefgenius.generation.trained import open_model

        trained = open_model(located, loader.store, averages=options.ema, say=_note)
        batches = min(loader.micro_batches, settings.max_batches or loader.micro_batches)
        records = sum(len(loader.record_ids_at(0, index)) for index in range(batches))
        whole = count(loader.records, "recipe")
        on = f"on {whole}" if records == loader.records else f"the loss on {records:,} of the {whole}"
        _note(f"{located.told}, {on}")
        # a token of a batch of texts takes about as long as a batch of the loss
        ticks = batches + -(-settings.prompts // ROWS) * settings.max_new_tokens
        with bar("evaluating", ticks) as advance:
            evaluator = Evaluator(
                model=trained.model,
                loader=loader,
                store=loader.store,
                decoder=trained.decoder,
                settings=settings,
                precision=located.config.train.precision,
                max_input_length=located.config.data.max_input_length,
                layout=trained.layout,
                seed=located.config.seed,
                check=_counting(advance),
            )
            epoch = 0 if located.origin is None else int(located.origin.sections["progress"]["epoch"])
            found, _ = evaluator.evaluate(located.step or 0, epoch, settings.prompts)
    if options.json:
        told = {
            "checkpoint": str(located.directory),
            "source": options.source,
            "records": records,
            "store": loader.store.fingerprint,
            **figures(found),
        }
        print(json.dumps(told, indent=2))
        return 0
    _print(found)
    return 0


@contextmanager
def held_out(located: Located, store: Path | None, say: Callable[[str], None]) -> Iterator[RecipeLoader]:
    """The validation side of the data that a run was trained on; its store is built where it is gone.

    `store` is where one lies now that was prepared by hand.
    """
    from chefgenius.settings.config import ConfigError
    from chefgenius.training.dataset import prepare_data

    config = located.config
    assert located.run is not None
    assert located.origin is not None
    run_dir = config.run_dir or "runs/default"
    changes: dict[str, Any] = {"tombstones": None}  # they are of the training side
    if store is not None:
        changes["store"] = str(store)
    if config.data.cache_dir == str(Path(run_dir).parent / "stores"):
        changes["cache_dir"] = str(located.run.parent / "stores")  # beside the run, wherever that lies now
    data = config.data.model_copy(update=changes)
    judging = config.eval.model_copy(update={"every_steps": 1, "metrics": ("recipe",)})
    opened = prepare_data(
        config.model_copy(update={"data": data, "eval": judging}), lambda text: None, saved=located.directory
    )
    try:
        if opened.validation is None:
            raise ConfigError("nothing was held out: give `--source`")
        trained_on = located.origin.sections["facts"].get("store")
        if opened.store.fingerprint != trained_on:
            say(
                f"warning: the store is `{opened.store.fingerprint}`, the run was trained on `{trained_on}`: "
                "other recipes may be held out now"
            )
        yield opened.validation
    finally:
        opened.close()


@contextmanager
def others(located: Located, sources: Sequence[str], base: Path | None) -> Iterator[RecipeLoader]:
    """All recipes of some files, as the run would have read them, in a store that goes when it is done."""
    from chefgenius.console.progress import progress
    from chefgenius.data.loader import RecipeLoader
    from chefgenius.data.store import prepare
    from chefgenius.generation.prompts import template
    from chefgenius.generation.trained import open_layout
    from chefgenius.settings.config import DEFAULT_ROWS

    data = located.config.data
    prompt, target, respell = template(located, base)
    with TemporaryDirectory() as folder:
        with progress() as report:
            store = prepare(
                sources,
                tokenizer=located.directory,
                out=Path(folder) / "store",
                prompt_template=prompt,
                target_template=target,
                columns=data.columns,
                keep_duplicates=True,
                respell=respell,
                on_error=data.on_error,
                max_bad=data.max_bad,
                progress=report,
            )
        rows = data.batch_size or DEFAULT_ROWS
        layout = open_layout(located)[1]
        with RecipeLoader(
            store,
            rows,
            plan="bucketed",
            split="all",
            prefetch=0,
            max_input_length=data.max_input_length,
            max_target_length=data.max_target_length,
            **layout.options,
        ) as loader:
            yield loader


def _groups(given: str | None) -> tuple[Any, ...]:
    """The groups of metrics that were asked for, else those whose packages are there."""
    from importlib.util import find_spec

    from chefgenius.evaluation.judging import check_extra
    from chefgenius.settings.measures import EXTRA

    if given is None:
        return tuple(one for one in GROUPS if one not in EXTRA or find_spec(EXTRA[one]) is not None)
    asked: tuple[Any, ...] = tuple(name for one in given.split(",") if (name := one.strip()))
    if unknown := [name for name in asked if name not in GROUPS]:
        raise ValueError(f"`--metrics`: no metrics `{unknown[0]}`: known are {', '.join(GROUPS)}")
    check_extra(asked)
    return asked


def _counting(advance: Callable[[int], None]) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        advance(done)

    return tick


def _print(found: Evaluation) -> None:
    from chefgenius.console.screen import count, show_table
    from chefgenius.settings.measures import MEASURES

    rows = [("metric", f"step {found.step}")]
    values = {name: found.value(name) for name in MEASURES}
    rows += [
        (MEASURES[name].label, MEASURES[name].told(one)) for name, one in values.items() if one is not None
    ]
    show_table(rows, slice(1, None))
    tokens, texts = count(found.validation_tokens, "target token"), count(found.prompts, "generated text")
    print(f"over {tokens}, and {texts}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
