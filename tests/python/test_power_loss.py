"""Whatever a loss of power leaves of a run, it goes on from the last checkpoint that was durable, or later."""

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chefgenius import resume
from chefgenius.metrics import Logs
from chefgenius.rundir import RunDirectory
from chefgenius.state import ResumeError
from faults.disk import Disk
from faults.shim import SAVE, Faults, Operation, operations
from running import Nursery, assert_same_run, words

SHORT = ("train.max_steps=6", "eval.every_steps=4", "checkpoint.every_steps=2", "eval.prompts=2")
RUN = "kitchen"
SECOND_KILL = 45

_PUBLISHED = re.compile(rf"rename {RUN}/checkpoints/\.tmp-\S+ {RUN}/checkpoints/step-(\d+)")


@dataclass
class Replay:
    """The disk of a run as its operations go by, and which checkpoints it may rely on."""

    disk: Disk = field(default_factory=Disk)
    promised: int | None = None
    """newest step of which the rename was followed by an fsync of the directory"""
    _renamed: int | None = None

    def apply(self, operation: Operation) -> None:
        self.disk.apply(operation)
        if published := _PUBLISHED.fullmatch(str(operation)):
            self._renamed = int(published[1])
        elif str(operation) == f"fsync {RUN}/checkpoints" and self._renamed is not None:
            self.promised = self._renamed


@dataclass(frozen=True)
class Traced:
    """A run that was killed in a save and gone on with to its end."""

    folder: Path
    overrides: tuple[str, ...]
    operations: list[Operation]

    def after(self, number: int) -> Replay:
        """The disk after that many operations."""
        replay = Replay()
        for operation in self.operations[:number]:
            replay.apply(operation)
        return replay


def trace(nursery: Nursery, folder: Path, overrides: tuple[str, ...] = SHORT) -> Traced:
    watched = folder / "runs"
    watched.mkdir()
    line = words(folder, *overrides, run=f"runs/{RUN}")
    found: list[Operation] = []
    for number, strike in enumerate((SAVE, "")):
        faults = Faults(
            root=str(watched),
            trace=str(folder / f"trace-{number}"),
            strike=strike,
            first=SECOND_KILL * 5,
            signal=9,
        )
        child = nursery.start(*line, faults=faults)
        assert child.wait() == (-9 if strike else 0), child.stderr.read_text()
        found += operations(folder / f"trace-{number}")
    return Traced(folder, overrides, found)


@pytest.fixture(scope="session")
def traced(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    if nursery.shim is None:
        pytest.skip("without a C compiler `cc` no file operation can be traced")
    return trace(nursery, tmp_path_factory.mktemp("traced"))


def state(replay: Replay, chance: random.Random, folder: Path) -> Path:
    """One of the states that may be found; the run directory, which may be missing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    replay.disk.after_power_loss(chance, folder)
    return folder / RUN


def step_found(path: Path) -> int | None:
    """Where the run at `path` would go on, its logs cut to that boundary; None for a beginning."""
    run = RunDirectory(path).lock()
    try:
        run.clean()
        origin = resume.decide(run, "auto", lambda told: None)
    finally:
        run.close()
    if origin is None:
        return None
    logs = Logs(path, lambda told: None)
    logs.load_state_dict(origin.sections["logs"])
    logs.close()
    for name in ("metrics.jsonl", "samples.jsonl"):
        assert (path / name).stat().st_size == origin.sections["logs"][name]["bytes"]
    return origin.step


def moments(traced: Traced, every: int) -> Iterator[tuple[int, Replay]]:
    """Every `every`-th moment, and each at which something was made durable or renamed."""
    replay = Replay()
    for number, operation in enumerate(traced.operations):
        replay.apply(operation)
        if number % every == 0 or operation.name in ("fsync", "rename"):
            yield number, replay


@pytest.mark.parametrize(
    ("every", "states"), [(40, 1), pytest.param(1, 12, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_every_state_goes_on_from_what_was_durable(
    traced: Traced, tmp_path: Path, every: int, states: int
) -> None:
    chance = random.Random(every)
    looked_at = begun = older = 0
    for number, replay in moments(traced, every):
        for _ in range(states):
            path = state(replay, chance, tmp_path / "runs")
            try:
                found = step_found(path)
            except ResumeError as error:
                pytest.fail(f"after {number} ({traced.operations[number]}): {error}")
            looked_at += 1
            begun += found is None
            if replay.promised is not None:
                assert found is not None, f"begins anew after {traced.operations[number]}"
                assert found >= replay.promised, f"{found} after {traced.operations[number]}"
                older += found == replay.promised
    print(f"power lost: {looked_at} states of {len(traced.operations)} operations go on ({begun} begin)")
    assert looked_at >= 100 * states
    assert begun > 5
    assert older > 5
