"""The same training by transformers' Seq2SeqTrainer: on batches of ours, or in its own way."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from chefgenius import RecipeLoader, TokenStore
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.settings.config import ModelConfig
from own import Pace
from scene import Scene
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.utils import logging

IGNORED = -100


def new_model(scene: Scene, store: TokenStore, seed: int) -> PreTrainedModel:
    """The very weights that a run of chefgenius with this seed begins with."""
    vocabulary = Vocabulary(store.vocab_size, store.pad_token_id, store.eos_token_id)
    return build_model(ModelConfig(config=scene.shape), vocabulary, seed)


class Rows(Dataset[dict[str, list[int]]]):
    """The records that chefgenius trains on, tokenized and cut as it does, one by one."""

    def __init__(self, scene: Scene, store: TokenStore) -> None:
        self.rows: list[dict[str, list[int]]] = []
        with scene.loader(store, 0, "fixed", rows=64) as loader:
            for batch in loader:
                for ids, mask, labels in zip(*(batch[name] for name in NAMES), strict=True):
                    inputs, wanted = ids[mask == 1].tolist(), labels[labels != IGNORED].tolist()
                    ones = [1] * len(inputs)
                    self.rows.append(dict(zip(NAMES, (inputs, ones, wanted), strict=True)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        return self.rows[place]


NAMES = ("input_ids", "attention_mask", "labels")


class Counted:
    """Pads as transformers does, and counts."""

    def __init__(self, model: PreTrainedModel, store: TokenStore) -> None:
        self._pad = DataCollatorForSeq2Seq(_Tokenizer(store.pad_token_id), model=model)  # type: ignore[arg-type]
        self.tokens: list[int] = []

    def __call__(self, rows: list[dict[str, list[int]]]) -> Any:
        self.tokens.append(sum(len(row["labels"]) for row in rows))
        return self._pad(rows)


class _Tokenizer:
    """What the collator asks of a tokenizer: to pad ids at the right."""

    padding_side = "right"

    def __init__(self, pad: int) -> None:
        self.pad_token_id = pad

    def pad(self, rows: list[dict[str, Any]], **_: Any) -> dict[str, Tensor]:
        made = {}
        for name in rows[0]:
            fill = {"labels": IGNORED, "input_ids": self.pad_token_id}.get(name, 0)
            parts = [torch.tensor(row[name]) for row in rows]
            made[name] = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=fill)
        return made


class Fed(Seq2SeqTrainer):
    """Trains on the batches of a loader of ours, where it is given one."""

    loader: RecipeLoader | None = None

    def get_train_dataloader(self) -> DataLoader[Any]:
        if self.loader is None:
            return super().get_train_dataloader()
        batches: Iterator[Any] = self.loader  # type: ignore[assignment]
        return DataLoader(batches, batch_size=None, generator=torch.Generator())  # type: ignore[arg-type]


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def trainer(scene: Scene, store: TokenStore, out: Path, seed: int, **options: Any) -> Fed:
    """With chefgenius' optimizer, rates and clipping; saves, logs and evaluates nothing unless asked."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    parts = ("model", "train_dataset", "data_collator", "callbacks")
    taken: dict[str, Any] = {name: options.pop(name) for name in parts if name in options}
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(out),
        **{
            "per_device_train_batch_size": scene.rows,
            "learning_rate": scene.learning_rate,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": scene.warmup,
            "optim": "adamw_torch_fused",
            "save_strategy": "no",
            "logging_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
            "use_cpu": scene.device == "cpu",
            "bf16": scene.precision == "bf16",
            "seed": seed,
            **options,
        },
    )
    model = taken.pop("model", None) or new_model(scene, store, seed)
    made = Fed(model, arguments, train_dataset=taken.pop("train_dataset", None) or [{}], **taken)
    made.remove_callback(PrinterCallback)
    return made


def as_usual(threads: int | None = None) -> None:
    """torch as it is before anybody sets it: all cores, no promise of bits."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    torch.use_deterministic_algorithms(False)


def pace_on_ours(scene: Scene, store: TokenStore, out: Path, seed: int, plan: str, threads: int) -> Pace:
    """On the very batches that a run of chefgenius with this seed gets, with as many threads."""
    as_usual(threads)
    clock, steps = Clock(), scene.steps
    with scene.loader(store, seed, plan) as loader:
        made = trainer(scene, store, out, seed, max_steps=2 * steps, callbacks=[clock])
        made.loader = loader
        made.train()
        seen = [loader.step_info(0, step) for step in range(steps, 2 * steps)]
    shutil.rmtree(out, ignore_errors=True)
    return Pace(
        clock.ends[-1] - clock.ends[steps - 1],
        sum(one.samples for one in seen),
        sum(one.target_tokens for one in seen),
    )


def pace(
    scene: Scene, store: TokenStore, rows: Rows, out: Path, seed: int, sampling: str, threads: int | None
) -> Pace:
    """In its own way: its sampler and its collator; without `threads`, torch's number of them."""
    as_usual(threads)
    model, steps = new_model(scene, store, seed), scene.steps
    counted, clock = Counted(model, store), Clock()
    made = trainer(
        scene,
        store,
        out,
        seed,
        train_dataset=rows,
        data_collator=counted,
        max_steps=2 * steps,
        train_sampling_strategy=sampling,
        callbacks=[clock],
    )
    made.train()
    shutil.rmtree(out, ignore_errors=True)
    return Pace(
        clock.ends[-1] - clock.ends[steps - 1],
        steps * scene.rows,
        sum(counted.tokens[steps : 2 * steps]),
    )
