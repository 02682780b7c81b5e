"""Whatever a loss of power leaves of a run, it goes on from its last durable checkpoint, or a later one."""

import random
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chefgenius.run import resume
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from chefgenius.training.metrics import Logs
from faults.disk import Disk
from faults.shim import Faults, Operation, operations
from running import Nursery, assert_same_run, words

SHORT = ("train.max_steps=6", "eval.every_steps=4", "checkpoint.every_steps=2", "eval.prompts=2")
RUN = "kitchen"
KILL = "write *.tmp-step-00000002/optim.safetensors"

_PUBLISHED = re.compile(rf"rename {RUN}/checkpoints/\.tmp-\S+ {RUN}/checkpoints/step-(\d+)")


@dataclass
class Replay:
    """The disk of a run as its operations go by, and which checkpoints it may rely on."""

    omitted: str = ""
    """a pattern: operations that are kept from the disk, as if the program did without them"""
    disk: Disk = field(default_factory=Disk)
    promised: int | None = None
    """newest step of which the rename was followed by an fsync of the directory"""
    _renamed: int | None = None

    def apply(self, operation: Operation) -> None:
        if not (self.omitted and re.fullmatch(self.omitted, str(operation))):
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

    def moments(self, every: int, omitted: str = "") -> Iterator[tuple[Operation, Replay]]:
        """The disk at every `every`-th moment, and at each that made something durable or renamed it."""
        replay = Replay(omitted)
        for number, operation in enumerate(self.operations):
            replay.apply(operation)
            if number % every == 0 or operation.name in ("fsync", "rename"):
                yield operation, replay


def trace(nursery: Nursery, folder: Path, overrides: tuple[str, ...] = SHORT) -> Traced:
    watched = folder / "runs"
    watched.mkdir()
    line = words(folder, *overrides, run=f"runs/{RUN}")
    found: list[Operation] = []
    for number, strike in enumerate((KILL, "")):
        faults = Faults(
            root=str(watched),
            trace=str(folder / f"trace-{number}"),
            strike=strike,
            signal=signal.SIGKILL,
            within=True,
            slow="fsync *.tmp-*",  # the run goes on meanwhile
            pause=0.02,
        )
        child = nursery.start(*line, faults=faults)
        assert child.wait() == (-signal.SIGKILL if strike else 0), child.stderr.read_text()
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


@dataclass
class Count:
    states: int = 0
    begun: int = 0
    lost: list[str] = field(default_factory=list)
    """what went wrong, a line each"""

    def look(self, operation: Operation, replay: Replay, path: Path) -> None:
        """Goes on from one state."""
        self.states += 1
        try:
            found = step_found(path)
        except ResumeError as error:
            self.lost.append(f"after `{operation}`: {error}")
            return
        self.begun += found is None
        if replay.promised is not None and (found is None or found < replay.promised):
            self.lost.append(f"after `{operation}`: step {found} instead of {replay.promised}")


@pytest.mark.parametrize(
    ("every", "states"), [(2, 1), pytest.param(1, 10, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_every_state_goes_on_from_what_was_durable(
    traced: Traced, tmp_path: Path, every: int, states: int
) -> None:
    chance, count = random.Random(every), Count()
    for operation, replay in traced.moments(every):
        for _ in range(states):
            count.look(operation, replay, state(replay, chance, tmp_path / "runs"))
    print(f"power lost: {count.states - len(count.lost)} of {count.states} states go on as promised")
    assert not count.lost, "\n".join(count.lost)
    assert count.states >= 130 * states
    assert 5 < count.begun < count.states / 2


@pytest.mark.parametrize(
    "omitted",
    [
        "fsync \\.",
        "fsync kitchen",
        "fsync kitchen/checkpoints",
        r"fsync kitchen/checkpoints/\.tmp-step-\d+",
        r"fsync kitchen/checkpoints/\.tmp-.*/model\.safetensors",
        r"fsync kitchen/checkpoints/\.tmp-.*/manifest\.json",
        r"fsync kitchen/metrics\.jsonl",
    ],
)
def test_an_fsync_that_is_missing_is_found(traced: Traced, tmp_path: Path, omitted: str) -> None:
    """The model is worth something: without any one of these the same run does lose a checkpoint."""
    chance, count = random.Random(1), Count()
    for operation, replay in traced.moments(4, omitted):
        count.look(operation, replay, state(replay, chance, tmp_path / "runs"))
        if count.lost:
            return
    pytest.fail(f"nothing was lost in {count.states} states")


@pytest.mark.parametrize("runs", [2, pytest.param(30, marks=pytest.mark.long)])
def test_what_power_loss_left_ends_bit_identical(traced: Traced, nursery: Nursery, runs: int) -> None:
    line = words(traced.folder, *traced.overrides, run="whole")
    assert nursery.start(*line).wait() == 0
    chance = random.Random(runs)
    chosen = set(chance.sample(range(len(traced.operations)), runs))
    for number, (operation, replay) in enumerate(traced.moments(1)):
        if number in chosen:
            place = traced.folder / f"left-{runs}-{number}"
            path = state(replay, chance, place)
            child = nursery.start(*words(traced.folder, *traced.overrides, run=f"{place.name}/{RUN}"))
            assert child.wait() == 0, f"after `{operation}`: {child.stderr.read_text()}"
            assert_same_run(path, traced.folder / "whole")
    print(f"power lost: {runs} of {runs} runs end bit-identical")
