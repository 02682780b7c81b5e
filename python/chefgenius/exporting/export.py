"""A model to take away: the weights, configuration and tokenizer of a checkpoint, without its training state.

1. `export` verifies the checkpoint, copies its files and compares them with their checksums on the way; the
   directory appears by one rename.
2. Of an adapter it makes a whole model, with the base that the checkpoint names by its content; or, if asked
   for that, it copies the adapter alone.
3. `card` says in README.md what the model is.

Nothing here imports torch.
"""

import json
import mmap
import os
from collections.abc import Callable
from pathlib import Path

from chefgenius.exporting.card import card
from chefgenius.exporting.merge import MergeError, merged, read_adapter
from chefgenius.run.base import ADAPTER, ADAPTER_CONFIGURATION, AVERAGES, WEIGHTS, Base, find_base
from chefgenius.run.manifest import DamagedError, Entry, fsync_directory, publish, verify, write_file
from chefgenius.run.resume import read_sections
from chefgenius.run.rundir import remove_tree
from chefgenius.settings.config import ConfigError

TRAINING = ("optim.safetensors", "state.json")
"""files of a checkpoint that only a resume needs"""
CARD = "README.md"
"""what an exported model says of itself"""
WHOLE = ("config.json", "generation_config.json")
"""files that describe a whole model"""


class ExportError(ValueError):
    """Nothing was exported; the message says why."""


def export(
    checkpoint: Path,
    out: Path,
    *,
    adapter: bool = False,
    base: Path | None = None,
    averages: bool = False,
) -> int:
    """Makes the directory `out`, which `from_pretrained` opens; returns its bytes.

    `adapter`: that of the checkpoint alone, which peft opens. `base`: where the weights lie now that the
    adapter was trained on. `averages`: those of the weights in place of the weights. Raises ExportError when
    something stands at `out`, the checkpoint is damaged, the base another one or averages are not kept,
    OSError; nothing is left then.
    """
    if os.path.lexists(out):
        raise ExportError(f"`{out}` exists: give a directory that does not, or move it away")
    try:
        manifest = verify(checkpoint)
    except DamagedError as error:
        raise ExportError(
            f"checkpoint `{checkpoint}` is damaged: {error}: give another one, of a run with `--checkpoint N`"
        ) from error
    adapted = ADAPTER in manifest.files
    if not adapted and (adapter or base is not None):
        option = "--adapter" if adapter else "--base"
        raise ExportError(f"checkpoint `{checkpoint}` holds a whole model: leave `{option}` out")
    if averages and AVERAGES not in manifest.files:
        raise ExportError(
            f"checkpoint `{checkpoint}` holds no averages of the weights, which `train.ema_decay` keeps: "
            "leave `--ema` out"
        )
    weights = ADAPTER if adapted else WEIGHTS
    left_out = {*TRAINING, weights if averages else AVERAGES}
    if adapted:
        left_out |= {*WHOLE} if adapter else {ADAPTER, AVERAGES, ADAPTER_CONFIGURATION}
    files = {name: entry for name, entry in manifest.files.items() if name not in left_out}
    whole = _base_of(checkpoint, base) if adapted and not adapter else None

    def fill(made: Path) -> int:
        for name, entry in files.items():
            target = made / (weights if name == AVERAGES else name)
            if _copy(checkpoint / name, target, entry.size) != entry:
                raise ExportError(f"`{checkpoint / name}` changed while it was copied: export it again")
        size = sum(entry.size for entry in files.values())
        size += _describe(checkpoint, made / CARD, adapter)
        if whole is None:
            return size
        return size + _merge(checkpoint, whole, made / WEIGHTS, AVERAGES if averages else ADAPTER).size

    return _appear(out, fill)


def _describe(checkpoint: Path, target: Path, adapter: bool) -> int:
    """Writes the card of a model, in place of one that came along with its base; returns its bytes."""
    try:
        architecture = json.loads((checkpoint / "config.json").read_bytes())
    except FileNotFoundError:  # of an adapter
        architecture = {}
    text = card(checkpoint, read_sections(checkpoint), architecture, adapter).encode()
    return write_file(target, [memoryview(text)]).size


def _appear(out: Path, fill: Callable[[Path], int]) -> int:
    """Lets a directory be filled beside its place and puts it there; returns what `fill` does."""
    made = out.with_name(f".tmp-{out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_tree(made)
    try:
        made.mkdir()
        size = fill(made)
        fsync_directory(made)
        publish(made, out)
    except BaseException:
        remove_tree(made)
        raise
    return size


def _base_of(checkpoint: Path, given: Path | None) -> Base:
    """The weights that an adapter was trained on, known by their content."""
    sections = read_sections(checkpoint)
    wanted, noted = sections["facts"].get("base"), sections["config"].get("model.name_or_path")
    if not isinstance(wanted, str) or not isinstance(noted, str):
        raise ExportError(f"checkpoint `{checkpoint}` does not say what its adapter was trained on")
    remedy = "give the directory that holds it with `--base`"
    try:
        # nothing is fetched: the name may be a stranger's
        base = find_base(noted if given is None else str(given.absolute()), "--base", fetch=False)
    except (ConfigError, FileNotFoundError) as error:
        raise ExportError(
            f"the base of the adapter in `{checkpoint}` is not found: {error}; {remedy}"
        ) from error
    if base.fingerprint != wanted:
        raise ExportError(
            f"the adapter in `{checkpoint}` was trained on weights `{wanted}`, "
            f"those in `{base.directory}` are `{base.fingerprint}`: {remedy}"
        )
    return base


def _merge(checkpoint: Path, base: Base, target: Path, weights: str) -> Entry:
    try:
        return write_file(target, merged(base, read_adapter(checkpoint, weights)))
    except MergeError as error:
        raise ExportError(f"cannot merge the adapter in `{checkpoint}`: {error}") from error


def _copy(source: Path, target: Path, size: int) -> object:
    """The entry of the copy: size and checksum of what was written."""
    if size == 0:
        return write_file(target, [])
    with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            return write_file(target, [view])
        finally:
            view.release()
