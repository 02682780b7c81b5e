"""Whether a disk can take a run, asked before the first step, and how much lies there; without torch."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from chefgenius.run.manifest import publish, write_file

_PROBE = b"chefgenius\n" * 400


def check_space(directory: Path, checkpoint_bytes: int, *, standing: bool, touch: bool = True) -> None:
    """Makes sure that there is room for checkpoints, and that files can be written, fsynced and renamed.

    Needed is room for two of `checkpoint_bytes`, or for one where a checkpoint is `standing` in the directory
    already. A limit for this user alone is not seen. Without `touch` nothing is written, and the directory
    need not be there yet. Raises OSError, for too little room with ENOSPC and what is needed and free.
    """
    there = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    system = os.statvfs(there)
    free, needed = system.f_bavail * system.f_frsize, checkpoint_bytes * (1 if standing else 2)
    if free < needed:
        what = "another checkpoint" if standing else "two checkpoints"
        told = f"no room for {what}: needed are {needed / 1e9:.3f} GB, free {free / 1e9:.3f} GB"
        raise OSError(errno.ENOSPC, told, str(directory))
    if not touch:
        return
    written, renamed = directory / ".tmp-probe", directory / ".tmp-probe-renamed"
    try:
        written.unlink(missing_ok=True)
        write_file(written, [_PROBE])
        publish(written, renamed)
    finally:
        written.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files under a directory, however deep; links are not followed.

    What cannot be looked at counts for nothing: a trainer removed it in between, or it is not ours.
    """
    size, left = 0, [path]
    while left:
        one = left.pop()
        with suppress(OSError):
            status = one.lstat()
            if stat.S_ISDIR(status.st_mode):
                left += one.iterdir()
            else:
                size += status.st_size
    return size
