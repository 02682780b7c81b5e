"""Saving a boundary and getting it back.

1. `Checkpointer.snapshot` copies weights, optimizer and sections at the boundary: the only part that must
   stand still.
2. `Checkpointer.write` turns a snapshot into a directory that appears by one rename, then removes what is not
   kept.
3. `load_tensors` copies a verified checkpoint's tensors into the parameters' and the optimizer's own memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel

from chefgenius.manifest import DamagedError, Entry, publish, seal, to_json, write_file
from chefgenius.model import named_tensors
from chefgenius.optim import load_state_tensors, state_tensors
from chefgenius.resume import STATE_SCHEMA, Origin
from chefgenius.retention import Retention
from chefgenius.rundir import RunDirectory, remove_tree
from chefgenius.state import ResumeError, State
from chefgenius.tensors import copy_tensors, read_tensors, write_tensors

MODEL, OPTIMIZER, STATE = "model.safetensors", "optim.safetensors", "state.json"


@dataclass(frozen=True)
class Snapshot:
    """A boundary, apart from the run: writing it needs nothing else. Valid until the next `snapshot`."""

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    sections: dict[str, State]


@dataclass
class Checkpointer:
    """Writes the checkpoints of one run and removes those that need not be kept."""

    run: RunDirectory
    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    companions: dict[str, bytes]
    """files that make the directory open with `from_pretrained`: configuration and tokenizer"""
    fingerprints: dict[str, str]
    retention: Retention
    sync_logs: Callable[[], None]
    """makes every log line durable that the sections count"""
    say: Callable[[str], None]
    """told of what a full disk costs"""
    began_at: int | None = None
    """the checkpoint of this directory that the process began from: it stays until two newer ones stand"""
    _saved: list[Path] = field(default_factory=list, repr=False)
    _failed: OSError | None = field(default=None, repr=False)
    _model_buffers: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _optimizer_buffers: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def save(self, sections: dict[str, State], best: Sequence[int]) -> None:
        """Saves the boundary that `sections` describe; the model and the optimizer must still stand at it.

        `best` are the steps of the best evaluations, best first. Does nothing when that step is saved and
        verifies. What comes of it, `check` tells.
        """
        step = int(sections["progress"]["step"])
        if self._is_saved(step):
            return
        try:
            self.write(self.snapshot(sections))
            self._saved.append(self.run.step_path(step))
            self.retain(best)
        except OSError as error:
            self._failed = error

    def check(self) -> list[Path]:
        """The checkpoints that appeared since the last call, without waiting.

        Raises the OSError of a save that failed, once; what was saved before stays whole then.
        """
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        saved, self._saved = self._saved, []
        return saved

    def drain(self) -> list[Path]:
        """Waits for the save in flight, then `check`."""
        return self.check()

    def close(self) -> None:
        """Ends the writer after its save in flight; raises nothing."""

    def snapshot(self, sections: dict[str, State]) -> Snapshot:
        """Copies the boundary into buffers that the next snapshot uses again."""
        self._model_buffers = copy_tensors(named_tensors(self.model), self._model_buffers)
        self._optimizer_buffers = copy_tensors(
            state_tensors(self.model, self.optimizer), self._optimizer_buffers
        )
        return Snapshot(
            int(sections["progress"]["step"]), self._model_buffers, self._optimizer_buffers, sections
        )

    def write(self, snapshot: Snapshot) -> None:
        """Writes a snapshot beside its place, durably, and renames it there.

        Raises OSError and leaves nothing then.
        """
        target = self.run.step_path(snapshot.step)
        directory = target.with_name(f".tmp-{target.name}")
        remove_tree(directory)
        self.sync_logs()
        try:
            directory.mkdir()
            files: dict[str, Entry] = {
                name: write_file(directory / name, [data]) for name, data in self.companions.items()
            }
            files[MODEL] = write_tensors(directory / MODEL, snapshot.model)
            files[OPTIMIZER] = write_tensors(directory / OPTIMIZER, snapshot.optimizer)
            state = {"schema": STATE_SCHEMA, "sections": snapshot.sections}
            files[STATE] = write_file(directory / STATE, [to_json(state)])
            seal(directory, snapshot.step, self.fingerprints, files)
            publish(directory, target)
        except BaseException:
            remove_tree(directory)
            raise

    def retain(self, best: Sequence[int]) -> None:
        """Deletes what need not be kept."""
        for step in self.retention.removable(self.run, best):
            self.run.delete(step)

    def _is_saved(self, step: int) -> bool:
        """Whether the step is on disk and whole; one that is not is set aside, so that its place is free."""
        if step not in self.run.steps():
            return False
        try:
            self.run.verify(step)
        except (DamagedError, OSError) as error:  # also one that cannot be read: the same is written again
            self.run.reject(step, str(error))
            return False
        return True


def load_tensors(origin: Origin, model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    """Copies weights and optimizer state of a verified checkpoint into place.

    Raises ResumeError, before anything is changed, when a name, shape or dtype is not that of this model.
    """
    try:
        weights = read_tensors(origin.directory / MODEL)
        state = read_tensors(origin.directory / OPTIMIZER)
    except (OSError, SafetensorError) as error:
        raise ResumeError(
            f"cannot read the tensors of `{origin.directory}`: {error}: use another checkpoint"
        ) from error
    own = named_tensors(model)
    if set(weights) != set(own):
        odd = sorted(set(weights) ^ set(own))
        raise ResumeError(
            f"`{origin.directory / MODEL}` is of another model: {len(odd)} parameters stand on one side "
            f"only, such as `{odd[0]}`: set `model` back to what was saved"
        )
    for name, tensor in own.items():
        saved = weights[name]
        if saved.shape != tensor.shape or saved.dtype != tensor.dtype:
            raise ResumeError(
                f"`{origin.directory / MODEL}` is of another model: `{name}` is {saved.dtype} "
                f"{list(saved.shape)}, here {tensor.dtype} {list(tensor.shape)}: "
                "set `model` back to what was saved"
            )
    load_state_tensors(model, optimizer, state, origin.sections["optimizer"])
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
