"""The weights that an adapter is trained on: where they lie, and what names their content.

An adapter is worth nothing on other weights. So they are known by the BLAKE3 of their files, wherever these
lie: a base that moved is the same one, a base that changed in place is another. Nothing here imports torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import blake3

from chefgenius.run.manifest import hash_file, read_object
from chefgenius.run.state import one_line
from chefgenius.settings.config import ConfigError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER, ADAPTER_CONFIGURATION = "adapter_model.safetensors", "adapter_config.json"
AVERAGES = "averages.safetensors"
"""of a checkpoint: the averages of its weights, under the same names"""
"""the names that peft reads"""
ALONE = (
    "has an adapter alone: make a whole model of it with `python -m chefgenius.ckpt export`, and give that"
)
"""for a directory that was to hold a model"""
_PATTERNS = ("config.json", "generation_config.json", WEIGHTS, INDEX, "model-*.safetensors")
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Base:
    """Frozen weights on this machine."""

    name: str
    """by which anybody finds them: the absolute directory, or the name on the hub"""
    directory: Path
    files: tuple[str, ...]
    """its safetensors files, by name"""
    fingerprint: str
    """of these files; the same wherever they lie"""


def is_local(name_or_path: str) -> bool:
    """Whether the name is a directory, or looks like one."""
    return Path(name_or_path).expanduser().exists() or name_or_path.startswith(("/", ".", "~"))


def find_base(name_or_path: str, key: str = "model.name_or_path", *, fetch: bool = True) -> Base:
    """The weights in a directory, or those of a name on the hub.

    These are fetched where they are missing, but with `fetch` alone. Every byte is read. `key` is what errors
    name. Raises ConfigError, FileNotFoundError, OSError.
    """
    if not is_local(name_or_path):
        directory, name = _of_hub(name_or_path, key, fetch=fetch), name_or_path
    else:
        directory = Path(name_or_path).expanduser().absolute()
        name = str(directory)
        if not directory.is_dir():
            raise FileNotFoundError(f"no such directory: `{directory}`: check the path in `{key}`")
    files = tuple(weight_files(directory))
    return Base(name, directory, files, _fingerprint(directory, files))


def weight_files(directory: Path) -> list[str]:
    """The names of a model's safetensors files: one, or those that its index names. Raises ConfigError."""
    if (directory / WEIGHTS).is_file():
        return [WEIGHTS]
    index = directory / INDEX
    if not index.is_file():
        if (directory / ADAPTER_CONFIGURATION).exists():
            raise ConfigError(f"`{directory}` {ALONE}")
        raise ConfigError(
            f"`{directory}` has no `{WEIGHTS}`: write it as safetensors, by which it can be known"
        )
    try:
        names = sorted(set(read_object(index, _MOST_BYTES)["weight_map"].values()))
        if not names or any(not name.endswith(".safetensors") or "/" in name for name in names):
            raise ValueError("it names what is no safetensors file beside it")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"`{index}` cannot be read: {one_line(error)}") from error
    for name in names:
        if not (directory / name).is_file():
            raise ConfigError(f"`{directory}` lacks `{name}`, which its index names: give a complete model")
    return names


def _fingerprint(directory: Path, files: Iterable[str]) -> str:
    """Of one file its BLAKE3, of several that of all their names and digests."""
    digests = {name: hash_file((directory / name).resolve()) for name in files}
    if len(digests) == 1:
        return "b3:" + next(iter(digests.values()))
    text = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return "b3:" + blake3.blake3(text.encode()).hexdigest()


def _of_hub(name: str, key: str, *, fetch: bool) -> Path:
    from huggingface_hub import snapshot_download  # only here: what lies on this machine needs none of it

    try:
        return Path(snapshot_download(name, allow_patterns=list(_PATTERNS), local_files_only=not fetch))
    except Exception as error:  # of the network, the hub or its cache, each in exceptions of its own
        raise ConfigError(
            f"`{key}`: cannot load `{name}`: {type(error).__name__}: {one_line(error)}: "
            "give a directory written by `save_pretrained` or the name of a model on the hub"
        ) from None
