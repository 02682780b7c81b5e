"""A file of records that training is to leave out, as `data.tombstones` takes it.

Nothing here imports torch.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chefgenius.data.course import Leg
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.state import one_line


@dataclass(frozen=True)
class Doomed:
    """A record that is to go, and what a person may want to read beside its number."""

    record: int
    remark: str


def write(path: Path, leg: Leg, groups: Mapping[str, Sequence[Doomed]]) -> int:
    """Writes a new file: what the run leaves out already, then each group with its head; how many are new.

    Each record stands once. Raises NotFoundError where a file stands already, OSError.
    """
    known = set(leg.masked)
    new = {one.record for records in groups.values() for one in records} - known
    text = "".join(f"{line}\n" for line in _lines(leg, groups))
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise NotFoundError(f"`{path}` is there already: give the name of a new file") from None
    return len(new)


def command(run: Path, path: Path) -> str:
    """What goes on with the run without these records."""
    configuration, file = shlex.quote(str(run / "config.yaml")), shlex.quote(f"data.tombstones={path}")
    return f"chefgenius train {configuration} {file} --allow-change tombstones"


def _lines(leg: Leg, groups: Mapping[str, Sequence[Doomed]]) -> Iterator[str]:
    yield f"# numbers of records of the store {leg.store}, which `data.tombstones` leaves out of training"
    known = set(leg.masked)
    if known:
        yield "# left out already"
        yield from map(str, sorted(known))
    for head, records in groups.items():
        fresh = [one for one in records if one.record not in known]
        known.update(one.record for one in fresh)
        if fresh:
            yield f"# {one_line(head)}"
            yield from (f"{one.record}  # {one_line(one.remark)}" for one in fresh)
