"""The data of a run: which files it reads, where its store is, and the two sides of the split.

1. `prepare_data` finds the tokenizer, builds the token store or finds it, and opens a loader for each side.
2. Every combination of sources, columns, tokenizer and template has its own store under `data.cache_dir`;
   `data.store` names one that was prepared by hand.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from chefgenius import cookbook
from chefgenius.console.screen import count
from chefgenius.data.feed import Feed
from chefgenius.data.layout import Layout
from chefgenius.data.loader import RecipeLoader
from chefgenius.data.plan import LayoutKind
from chefgenius.data.remarks import cut, few
from chefgenius.data.store import TokenStore, prepare, telling_of_damage
from chefgenius.evaluation.judging import check_extra
from chefgenius.model.model import is_local, kind_of
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.run.world import World
from chefgenius.settings.config import Config, ConfigError

VALIDATION_SEED = 0
"""order of the validation batches: the same for every run, whatever its seed"""


@dataclass(frozen=True)
class Data:
    """The store and what the run reads of it."""

    store: TokenStore
    decoder: TextDecoder
    layout: Layout
    feed: Feed
    """what is trained on"""
    validation: RecipeLoader | None
    """None when `eval.every_steps` is 0"""

    @property
    def train(self) -> RecipeLoader:
        """The loader of the training side."""
        return self.feed.loader

    def told_plan(self, config: Config, total_steps: int) -> str:
        """A line on how long the run is; about how many recipes, where the plan does not count records."""
        size, train = config.data.batch_size, self.train
        recipes = f"about {round(train.records / train.steps_per_epoch)}"
        if size is not None and config.data.plan != "packed":
            recipes = str(config.train.gradient_accumulation_steps * size)
        each = f"{recipes} recipe{'' if recipes == '1' else 's'}"
        return f"plan: {count(total_steps, 'step')} of {each}, {train.steps_per_epoch:,} an epoch"

    def close(self) -> None:
        """End the loaders' threads."""
        self.feed.close()
        if self.validation is not None:
            self.validation.close()


def prepare_data(
    config: Config,
    say: Callable[[str], None],
    world: World | None = None,
    store: Path | None = None,
    saved: Path | None = None,
) -> Data:
    """The store of the configured sources, built where it is not there yet, and its loaders.

    Of several processes rank 0 prepares; the others open the `store` that it tells of. With `saved`, a
    checkpoint, its model says of which kind the layout is. Raises ConfigError for a value out of range or an
    empty side of the split, else what `prepare` raises.
    """
    if config.eval.every_steps:
        check_extra(config.eval.metrics)
    try:
        return _prepare_data(config, say, world or World(), store, kind_of(config.model, saved))
    except ValueError as error:  # an argument of the core
        raise ConfigError(str(error)) from error


def _prepare_data(
    config: Config, say: Callable[[str], None], world: World, ready: Path | None, kind: LayoutKind
) -> Data:
    settings = config.data
    if ready is not None:
        store = TokenStore.open(ready)
        decoder = TextDecoder(store.path / "tokenizer.json")
    elif settings.store is not None:
        say(f"data: the store `{settings.store}`")
        store = TokenStore.open(Path(settings.store).expanduser())
        decoder = TextDecoder(store.path / "tokenizer.json")
        if not _is_tokenizer_of_the_model(config, decoder):
            say("warning: the store was made with another tokenizer than the model's own")
    else:
        store, decoder = _store_of_sources(config, say)
    layout = layout_of(config, kind, decoder, say)

    def loader(split: str, seed: int, prefetch: int, masked: Collection[int] = ()) -> RecipeLoader:
        return RecipeLoader(
            store,
            settings.batch_size,
            plan=settings.plan,
            batch_tokens=settings.batch_tokens,
            weights=settings.weights if split == "train" else None,
            **layout.options,
            seed=seed,
            split="train" if split == "train" else "validation",
            rank=world.rank if split == "train" else 0,
            world_size=world.size if split == "train" else 1,
            micro_batches_per_step=config.train.gradient_accumulation_steps,
            on_plan_change="next_epoch",  # whether the plan may change, `differences` decides before
            tombstones=masked,
            prefetch=prefetch,
            threads=settings.threads,
            validation_fraction=settings.validation_fraction,
            validation_sources=settings.validation_sources,
            split_seed=settings.split_seed,
            min_quality=settings.min_quality,
            max_input_length=settings.max_input_length,
            max_target_length=settings.max_target_length,
        )

    masked = [] if settings.tombstones is None else _read_tombstones(settings.tombstones, len(store))
    feed = Feed(lambda masked: loader("train", config.seed, settings.prefetch, masked), masked, world)
    train = feed.loader
    left = train.records
    if masked:
        left -= int(np.isin(train.view_record_ids(train.records), train.tombstones).sum())
    if left == 0:
        raise ConfigError(
            f"`data.tombstones`: `{settings.tombstones}` leaves out all there is to train on, "
            f"{count(train.records, 'record')}: shorten it"
        )
    validation = loader("validation", VALIDATION_SEED, 0) if config.eval.every_steps else None
    report = store.report
    if report is not None and (report.built or report.bad or report.filtered or report.loses):
        say(report.summary(store.path))
    held_out = f", {validation.records:,} held out" if validation else ""
    out = f", {train.records - left:,} left out" if masked else ""
    say(f"{count(len(store), 'recipe')}: {left:,} to train on{out}{held_out}; store {store.path}")
    for told in (*cut(train), *(few(validation.records, len(store)) if validation else ())):
        say(told)
    return Data(store, decoder, layout, feed, validation)


def layout_of(config: Config, kind: LayoutKind, decoder: TextDecoder, say: Callable[[str], None]) -> Layout:
    """That of the model's kind. Raises ConfigError for what is not for it."""
    settings = config.data
    if kind == "seq2seq":
        for key, given in (("separator", settings.separator), ("loss_on", settings.loss_on != "target")):
            if given:
                raise ConfigError(
                    f"`data.{key}`: is for causal models, and this one is an encoder-decoder: leave it out"
                )
        return Layout()
    separator = "\n" if settings.separator is None else settings.separator
    ids = decoder.between(separator) if separator else ()
    if settings.separator and not ids:
        raise ConfigError(
            f"`data.separator`: the tokenizer has nothing for `{separator!r}`: give a text that it knows"
        )
    begin = decoder.begin_id()
    parts = [*([] if begin is None else [f"`{decoder.token(begin)}`"]), "prompt"]
    parts += [*([f"{separator!r} ({count(len(ids), 'token')})"] if ids else []), "target", "end-of-text"]
    say(f"layout: {', '.join(parts)}")
    return Layout("causal", begin, ids, settings.loss_on)


def _read_tombstones(name: str, records: int) -> list[int]:
    """The record numbers in a file. Raises ConfigError naming the line or that there is no file, OSError."""
    numbers = []
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ConfigError(
            f"`data.tombstones`: `{name}`: {error.strerror}: give a text file with the number of a record a "
            "line, as `chefgenius inspect RUN ... --write FILE` writes one, or leave the key out"
        ) from None
    for line, content in enumerate(text.splitlines(), start=1):
        word = content.partition("#")[0].strip()
        if not word:
            continue
        if not (word.isascii() and word.isdecimal() and len(word) < 19) or int(word) >= records:
            raise ConfigError(
                f"`data.tombstones`: {name}, line {line}: `{word:.40}` is no record number, which are "
                f"0 to {records - 1}: mend the line"
            )
        numbers.append(int(word))
    return numbers


def _store_of_sources(config: Config, say: Callable[[str], None]) -> tuple[TokenStore, TextDecoder]:
    """What `data.sources` and `data.validation_sources` hold, prepared here."""
    settings = config.data
    sources = [
        *settings.sources,
        *(one for one in settings.validation_sources if one not in settings.sources),
    ]
    decoder = TextDecoder(_tokenizer_path(config))
    say(f"data: {', '.join(sources) or 'the recipes that ship with the package'}")
    out = _store_path(config, sources, decoder.path)
    with telling_of_damage(out, say):
        store = prepare(
            sources or [cookbook.RECIPES],
            tokenizer=decoder.path,
            out=out,
            prompt_template=settings.template.prompt,
            target_template=settings.template.target,
            columns=settings.columns,
            # A recipe that stands in a source that is held out is held out there, and the split keeps its
            # twins out of training.
            keep_duplicates=bool(settings.validation_sources),
            on_error=settings.on_error,
            max_bad=settings.max_bad,
        )
    return store, decoder


def _is_tokenizer_of_the_model(config: Config, decoder: TextDecoder) -> bool:
    """False where a local model comes with another tokenizer.json."""
    name = config.model.name_or_path
    beside = None if name is None or not is_local(name) else Path(name).expanduser() / "tokenizer.json"
    return beside is None or not beside.is_file() or beside.read_bytes() == decoder.path.read_bytes()


def _store_path(config: Config, sources: Sequence[str], tokenizer: Path) -> Path:
    """One directory for each combination of what a store is made of, so that runs do not compete."""
    template = config.data.template
    names = [str(Path(source).absolute()) for source in sources]
    keeps_duplicates = bool(config.data.validation_sources)
    made_by = [str(tokenizer.absolute()), template.prompt, template.target, config.data.columns]
    parts = [names, made_by, keeps_duplicates]
    text = json.dumps(parts, sort_keys=True)
    return Path(config.data.cache_dir or "stores") / hashlib.sha256(text.encode()).hexdigest()[:16]


def _tokenizer_path(config: Config) -> Path:
    """Where the tokenizer is: as told, else the model's own, else the one that ships with the package."""
    name = config.model.name_or_path
    if config.data.tokenizer is not None:
        return cookbook.tokenizer_path(config.data.tokenizer).expanduser()
    if name is not None and is_local(name):
        return Path(name).expanduser()
    if name is not None:
        try:
            return Path(hf_hub_download(name, "tokenizer.json"))
        except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
            raise ConfigError(
                f"cannot fetch tokenizer.json of `{name}`: {' '.join(str(error).split())}: "
                "name one in `data.tokenizer`"
            ) from None
    if config.data.sources or config.data.validation_sources:
        raise ConfigError(
            "`data.tokenizer`: is needed with `data.sources`, since the one in the package was made for the "
            "recipes of the package: give a tokenizer.json or a directory holding one, or `bundled` to try it"
        )
    return cookbook.TOKENIZER
