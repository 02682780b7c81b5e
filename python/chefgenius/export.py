"""A model to take away: the weights, configuration and tokenizer of a checkpoint, without its training state.

The checkpoint is verified, its files are copied and compared with their checksums on the way, and the
directory appears by one rename. Nothing here imports torch.
"""

import mmap
import os
from pathlib import Path

from chefgenius.manifest import DamagedError, fsync_directory, publish, verify, write_file
from chefgenius.rundir import remove_tree

TRAINING = ("optim.safetensors", "state.json")
"""files of a checkpoint that only a resume needs"""


class ExportError(ValueError):
    """Nothing was exported; the message says why."""


def export(checkpoint: Path, out: Path) -> int:
    """Makes the directory `out`, which `from_pretrained` opens; returns its bytes.

    Raises ExportError when something stands there or the checkpoint is damaged, OSError; nothing is left
    then.
    """
    if os.path.lexists(out):
        raise ExportError(f"`{out}` exists: give a directory that does not, or move it away")
    try:
        manifest = verify(checkpoint)
    except DamagedError as error:
        raise ExportError(f"checkpoint `{checkpoint}` is damaged: {error}: take another one") from error
    files = {name: entry for name, entry in manifest.files.items() if name not in TRAINING}
    made = out.with_name(f".tmp-{out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_tree(made)
    try:
        made.mkdir()
        for name, entry in files.items():
            if _copy(checkpoint / name, made / name, entry.size) != entry:
                raise ExportError(f"`{checkpoint / name}` changed while it was copied: export it again")
        fsync_directory(made)
        publish(made, out)
    except BaseException:
        remove_tree(made)
        raise
    return sum(entry.size for entry in files.values())


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
