"""The lines of steps in metrics.jsonl, read while a trainer may write it; nothing here imports torch.

1. `read_steps` gives all of them, or those after so many bytes.
2. `around` finds the two lines that a step stands between, by bisection: the log may be long.

A line that is damaged, or is being written, is passed over: a resume verifies the file, and what is read here
is held against the data.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chefgenius.run.manifest import plain
from chefgenius.run.state import ResumeError

Line = dict[str, Any]

_STEP = re.compile(rb'"step": ([0-9]{1,18})[,}]')
_NEAR = 1 << 17
"""bytes that are looked through for the lines next to a place"""


def read_steps(run: Path, begin: int = 0) -> Iterator[Line]:
    """The line of each step that was logged, from byte `begin` on; none where there is no log."""
    try:
        with open(run / "metrics.jsonl", "rb", opener=plain) as file:
            file.seek(begin)
            for text in file:
                if (line := _line(text)) is not None:
                    yield line
    except (OSError, ResumeError):
        return


def around(run: Path, step: int) -> tuple[Line | None, Line | None]:
    """The last line of a step before this one, and the first of this one or a later one."""
    try:
        with open(run / "metrics.jsonl", "rb", opener=plain) as file:
            size = file.seek(0, 2)
            low, high = 0, size  # a line that begins before `low` is of an earlier step
            while low < high:
                middle = (low + high) // 2
                file.seek(middle)
                file.readline()
                text = file.readline()
                found = _STEP.search(text)
                if found is not None and int(found[1]) < step:
                    low = middle + 1
                else:
                    high = middle
            begin = max(low - _NEAR, 0)
            file.seek(begin)
            near = file.read(low - begin + _NEAR).splitlines()
    except (OSError, ResumeError):
        return None, None
    lines = [line for text in near[1 if begin else 0 :] if (line := _line(text)) is not None]
    before = [line for line in lines if line["step"] < step]
    after = [line for line in lines if line["step"] >= step]
    return (before[-1] if before else None), (after[0] if after else None)


def last_step(run: Path) -> int:
    """The last step that was logged; 0 for none."""
    before, _ = around(run, 2**62)
    return 0 if before is None else int(before["step"])


def _line(text: bytes) -> Line | None:
    if b'"kind": "step"' not in text:
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    known = isinstance(line, dict) and isinstance(line.get("step"), int) and line["step"] > 0
    return line if known else None
