"""What becomes of a damaged checkpoint: weights, optimizer or state, each in four ways.

The newest of two checkpoints is damaged, and the run is asked to go on: it does so, it falls back to the one
before, or it stops with an error. Small models; nothing here is timed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from chefgenius.run.resume import decide
from chefgenius.run.rundir import RunDirectory
from saving import FEW, TINY, Ours, fresh, peer

THEIRS = ("model.safetensors", "optimizer.pt", "trainer_state.json")
OURS = ("model.safetensors", "optim.safetensors", "state.json")
NEWEST, OLDER, LAST = 3, 2, 4


def missing(file: Path, other: Path) -> None:
    file.unlink()


def cut(file: Path, other: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flipped(file: Path, other: Path) -> None:
    """The lowest bit of one byte: of JSON the last digit, else the middle of the file."""
    data = bytearray(file.read_bytes())
    digits = [found.start() for found in re.finditer(rb"\d", data)] if file.suffix == ".json" else []
    data[digits[-1] if digits else len(data) // 2] ^= 1
    file.write_bytes(data)


def swapped(file: Path, other: Path) -> None:
    """The file of the checkpoint before."""
    shutil.copyfile(other, file)


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "missing": missing,
    "cut to half": cut,
    "one bit flipped": flipped,
    "of the step before": swapped,
}


def ours(work: Path) -> dict[str, str]:
    """What chefgenius makes of each kind."""
    made = Ours(fresh(work / "whole"), TINY, FEW)
    for step in (OLDER, NEWEST):
        while made.steps < step:
            made.step()
        made.save_and_wait()
    made.close()

    def resumed(folder: Path) -> int:
        origin = decide(RunDirectory(folder / "run"), "auto", lambda _: None)
        return 0 if origin is None else origin.step

    return _outcomes(work, OURS, lambda folder, step: RunDirectory(folder / "run").step_path(step), resumed)


def theirs(work: Path) -> dict[str, str]:
    """What transformers' Trainer makes of each kind."""
    peer(fresh(work / "whole"), TINY, FEW, NEWEST).train()

    def resumed(folder: Path) -> int:
        trainer = peer(folder, TINY, FEW, LAST, saves=False)
        trainer.train(resume_from_checkpoint=True)
        return NEWEST  # it takes the last by name, or raises

    return _outcomes(work, THEIRS, lambda folder, step: folder / f"checkpoint-{step}", resumed)


def _outcomes(
    work: Path,
    files: tuple[str, ...],
    place: Callable[[Path, int], Path],
    resumed: Callable[[Path], int],
) -> dict[str, str]:
    """By file and kind: `goes on`, `falls back` or `stops`. An undamaged one must go on."""

    def outcome(damage: Callable[[Path], None]) -> str:
        folder = work / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work / "whole", folder)
        damage(folder)
        try:
            return "goes on" if resumed(folder) == NEWEST else "falls back"
        except Exception:  # each library has its own; that it stops is what counts
            return "stops"

    if outcome(lambda _: None) != "goes on":
        raise SystemExit("the undamaged checkpoint is not taken")
    return {
        f"{file}, {kind}": outcome(
            lambda folder, file=file, spoil=spoil: spoil(  # type: ignore[misc]
                place(folder, NEWEST) / file, place(folder, OLDER) / file
            )
        )
        for file in files
        for kind, spoil in KINDS.items()
    }
