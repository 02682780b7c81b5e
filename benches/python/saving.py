"""Three ways to save and load one model and optimizer: chefgenius, `torch.save`, transformers' Trainer."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from chefgenius.model.loss import TokenLoss
from chefgenius.model.model import Vocabulary, build_model, count_parameters, describing_files
from chefgenius.run.manifest import verify
from chefgenius.run.resume import Origin, read_sections
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import State
from chefgenius.settings.config import ModelConfig, OptimConfig
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.loading import load_tensors
from chefgenius.training.optim import build_optimizer, describe, trained_parameters
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

KEEP = 2
Shape = dict[str, Any]

SMALL: Shape = {
    "model_type": "t5",
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 1024,
    "num_layers": 11,
    "num_heads": 6,
    "feed_forward_proj": "gated-gelu",
}
"""a T5 as wide as flan-t5-small and deeper: with `WORDS` 77 million parameters, with AdamW 0.92 GB"""

TINY: Shape = {**SMALL, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
WORDS, FEW = 32_128, 50


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def new_model(shape: Shape, words: int) -> PreTrainedModel:
    return build_model(ModelConfig(config=shape), Vocabulary(words, 0, 1), 1)


def batch(words: int) -> dict[str, torch.Tensor]:
    """A row of 16 tokens: the least that a training step can be, so that saving shows."""
    ids = torch.arange(2, 18).reshape(1, 16) % words
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


class Ours:
    """A model in training and its `Checkpointer`; `torch_save` saves the same state."""

    def __init__(self, folder: Path, shape: Shape, words: int) -> None:
        self.folder = folder
        self.model = new_model(shape, words)
        self.model.train()
        self.optimizer = build_optimizer(self.model, OptimConfig())
        self.batch = batch(words)
        self.steps = 0
        self.run = RunDirectory(folder / "run").lock()
        self.checkpoints = Checkpointer(
            run=self.run,
            model=self.model,
            optimizer=self.optimizer,
            companions=describing_files(self.model),
            fingerprints={"store": "b3:1"},
            retention=Retention(KEEP),
            sync_logs=lambda: None,
            say=print,
        )
        self.files: list[Path] = []

    @property
    def parameters(self) -> int:
        return count_parameters(self.model)

    @property
    def size(self) -> int:
        """Bytes of the newest checkpoint."""
        return sum(path.stat().st_size for path in self.newest.iterdir())

    @property
    def newest(self) -> Path:
        return self.run.step_path(self.run.steps()[0])

    def step(self) -> None:
        """One optimizer step."""
        TokenLoss(self.model, "float32")(self.batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1

    def save(self) -> float:
        """Seconds that `save` keeps the training waiting."""
        described = describe(trained_parameters(self.model), self.optimizer)
        sections: dict[str, State] = {"progress": {"step": self.steps}, "optimizer": described}
        sections |= {"config": {}, "facts": {}}
        return seconds(lambda: self.checkpoints.save(sections, []))

    def save_and_wait(self) -> tuple[float, float]:
        """Seconds of waiting, and until the checkpoint is durable when nothing else is done."""
        start = time.perf_counter()
        stall = self.save()
        if self.run.step_path(self.steps) not in self.checkpoints.drain():
            raise SystemExit("the checkpoint did not appear")
        return stall, time.perf_counter() - start

    def save_and_train(self, alone: int) -> tuple[float, float | None]:
        """Seconds of waiting, and how many times as long a step takes while the writer is at work.

        None when it was done before a step was.
        """
        before = [seconds(self.step) for _ in range(alone)]
        stall = self.save()
        during = []
        while not self.checkpoints.check():
            during.append(seconds(self.step))
        whole = during[:-1]  # the last one saw the writer end
        return stall, statistics.median(whole) / statistics.median(before) if whole else None

    def torch_save(self, sync: bool) -> float:
        """Seconds of `torch.save`, of the state in its usual form, to a new file."""
        path = self.folder / f"state-{self.steps}-{sync}.pt"
        self.files.append(path)

        def save() -> None:
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
            with open(path, "wb") as file:
                torch.save(state, file)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())

        taken = seconds(save)
        for old in self.files[:-KEEP]:
            old.unlink(missing_ok=True)
        return taken

    def load(self) -> float:
        """Seconds to verify the newest checkpoint and to copy it into place."""

        def load() -> None:
            manifest = verify(self.newest)
            origin = Origin(self.newest, manifest, read_sections(self.newest), foreign=False)
            load_tensors(origin, self.model, self.optimizer)

        return seconds(load)

    def torch_load(self) -> float:
        """Seconds of `torch.load` and both `load_state_dict`; nothing is verified."""

        def load() -> None:
            state = torch.load(self.files[-1], weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])

        return seconds(load)

    def close(self) -> None:
        self.checkpoints.close()
        self.run.close()


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """A few equal rows for the Trainer."""

    def __init__(self, words: int) -> None:
        self.row = {name: tensor[0] for name, tensor in batch(words).items()}

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        return self.row


class Peer(Trainer):
    """A Trainer that saves after every step and has `around` called with what saves."""

    around: Callable[[Callable[[], None]], None] | None = None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        def save() -> None:
            super(Peer, self)._save_checkpoint(model, trial)

        if self.around is None:
            save()
        else:
            self.around(save)

    def load(self, checkpoint: Path) -> float:
        """Seconds of the Trainer's own loading of weights, optimizer and schedule; nothing is verified."""

        def load() -> None:
            self._load_from_checkpoint(str(checkpoint))
            self._load_optimizer_and_scheduler(str(checkpoint))

        return seconds(load)


def peer(folder: Path, shape: Shape, words: int, steps: int, *, saves: bool = True) -> Peer:
    """A Trainer of the same model; `steps` optimizer steps in all. It prints nothing."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        save_strategy="steps" if saves else "no",
        save_steps=1,
        save_total_limit=KEEP,
        logging_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=1,
    )
    made = Peer(new_model(shape, words), arguments, train_dataset=Rows(words))
    made.remove_callback(PrinterCallback)
    return made


def fresh(folder: Path) -> Path:
    """An empty directory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
