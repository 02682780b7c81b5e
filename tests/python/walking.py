"""A run without a model: its data alone, delivered by the real loader, with resumes that change them."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chefgenius import RecipeLoader, TokenStore
from chefgenius.data.feed import Feed, Tombstones
from chefgenius.data.reentry import enter, follow
from chefgenius.run.differences import Comparison, Difference
from chefgenius.run.digest import RollingDigest
from chefgenius.run.state import Losses, Progress

Records = list[list[int]]
"""of each micro-batch of a step"""
Lengths = list[list[tuple[int, int, int]]]
"""of each micro-batch: record, ids of its input, ids that are learned of it"""


@dataclass
class Walk:
    """Takes steps as the trainer does, and remembers what was delivered in each."""

    folder: Path
    store: TokenStore
    options: dict[str, Any]
    masked: list[int] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    digest: RollingDigest = field(default_factory=RollingDigest)
    seen: dict[int, Records] = field(default_factory=dict)
    lengths: dict[int, Lengths] = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def begin(self) -> None:
        self._open(Comparison())

    def go_on(self, changed: Mapping[str, str], store: TokenStore | None = None, **options: Any) -> None:
        """Saves, and resumes with other options; `changed` names the keys as `meanings` does."""
        self.feed.close()
        self.store = store or self.store
        self.masked = options.pop("masked", self.masked)
        self.options = {**self.options, **options}
        changes = [Difference(name, name, "saved", here) for name, here in changed.items()]
        self._open(Comparison(exactness=changes, allowed=frozenset(changed)))

    def _open(self, comparison: Comparison) -> None:
        def loader(masked: Any) -> RecipeLoader:
            known = {**self.options, "tombstones": masked, "on_plan_change": "next_epoch", "prefetch": 2}
            return RecipeLoader(self.store, **known)

        self.feed = Feed(loader, self.masked)
        step, before, directory = self.progress.step, self.sections, None
        if before:
            directory = self.folder / "checkpoints" / f"step-{step:08d}"
            after, _ = enter(self.feed, before, comparison, step, directory)
            self.progress.load_state_dict(after["progress"])
            self.sections = after
        self.course = follow(self.feed, before, comparison, step, directory)
        self.tombstones = Tombstones(self.feed)
        if self.sections:
            self.tombstones.load_state_dict(self.sections["tombstones"])
        self._save()

    def take(self, steps: int, skip: bool = False) -> None:
        """Takes steps; the last of them is not finite with `skip`."""
        for left in reversed(range(steps)):
            progress = self.progress
            window = self.feed.window(progress.epoch, progress.index)
            batches = [self.feed.next() for _ in range(window.micro_batches)]
            progress.step += 1
            self.seen[progress.step] = [batch.record_ids.tolist() for batch in batches]
            self.lengths[progress.step] = [fed(batch) for batch in batches]
            for batch in batches:
                self.digest.update(batch.record_ids)
            line: dict[str, Any] = {"kind": "step", "step": progress.step, "epoch": progress.epoch}
            if skip and left == 0:
                records = sorted(record for ids in self.seen[progress.step] for record in ids)
                self.tombstones.skip(progress.step, records)
                line["skipped"] = records
            progress.epoch, progress.index = self.feed.place
            self.lines.append({**line, "digest": self.digest.value})
        self._save()

    def _save(self) -> None:
        self.sections = {
            "progress": self.progress.state_dict(),
            "losses": Losses().state_dict(),
            "loader": self.feed.state_dict(),
            "tombstones": self.tombstones.state_dict(),
            "course": self.course.state_dict(),
            "logs": {"metrics.jsonl": {"bytes": 0}},
        }
        self.sections = json.loads(json.dumps(self.sections))

    def write(self, total: int, every: int = 1) -> Path:
        """What stands of it in a run directory, a line in the log for one step of `every`."""
        run = self.folder / "run"
        checkpoint = run / "checkpoints" / f"step-{self.progress.step:08d}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        (checkpoint / "state.json").write_text(json.dumps({"sections": self.sections}))
        facts = {"total_steps": total, "store": str(self.store.path), "course": self.course.state_dict()}
        (run / "run.json").write_text(json.dumps(facts))
        kept = [one for one in self.lines if one["step"] % every == 0 or "skipped" in one]
        (run / "metrics.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in kept))
        return run


def fed(batch: Any) -> list[tuple[int, int, int]]:
    """Record, ids of the input and ids that are learned, place by place: the naive way."""
    found: dict[tuple[int, int], list[int]] = {}
    inputs, labels = batch["input_ids"], batch["labels"]
    segments = batch.get("segment_ids", batch["attention_mask"])
    for row in range(len(inputs)):
        for segment in segments[row].tolist():
            if segment:
                found.setdefault((row, segment), [0, 0])[0] += 1
        others = batch.get("decoder_segment_ids")
        for place, label in enumerate(labels[row].tolist()):
            if label != -100:
                segment = 1
                if "segment_ids" in batch:
                    segment = int((segments if others is None else others)[row][place])
                found[row, segment][1] += 1
    counts = [found[key] for key in sorted(found)]
    return [(int(record), one, two) for record, (one, two) in zip(batch.record_ids, counts, strict=True)]


def wander(chance: random.Random, walk: Walk, stores: list[TokenStore], legs: int) -> None:
    """A few legs of a few steps, each with another change of the data that a run bears."""
    walk.begin()
    for _ in range(legs):
        walk.take(chance.randint(1, 12), skip=chance.random() < 0.3)
        walk.go_on(**another(chance, walk, stores))
    walk.take(chance.randint(1, 12))


def another(chance: random.Random, walk: Walk, stores: list[TokenStore]) -> dict[str, Any]:
    """One change: nothing, the plan, the seed, what is left out, the split or the store."""
    records = len(walk.store)
    kind = chance.choice(["nothing", "plan", "plan", "size", "steps", "seed", "masked", "split", "store"])
    if kind == "plan":
        plan = chance.choice(["fixed", "bucketed", "packed"])
        return {"changed": {"data.plan": plan}, "plan": plan}
    if kind == "size":
        size = chance.randint(2, 6)
        return {"changed": {"data.batch_size": str(size)}, "batch_size": size}
    if kind == "steps":
        slots = chance.randint(1, 5)
        name = "train.gradient_accumulation_steps"
        return {"changed": {name: str(slots)}, "micro_batches_per_step": slots}
    if kind == "seed":
        seed = chance.randint(0, 2**64 - 1)
        return {"changed": {"seed": str(seed)}, "seed": seed}
    if kind == "masked":
        masked = sorted(chance.sample(range(records), chance.randint(0, 6)))
        return {"changed": {"tombstones": "other"}, "masked": masked}
    if kind == "split":
        return {"changed": {"data.split_seed": "other"}, "split_seed": chance.randint(0, 9)}
    if kind == "store" and len(stores) > 1:
        other = next(one for one in stores if one.fingerprint != walk.store.fingerprint)
        return {"changed": {"store": "other"}, "store": other, "masked": []}
    return {"changed": {}}


def begun(folder: Path, store: TokenStore, chance: random.Random) -> Walk:
    """A walk with options by chance."""
    causal = chance.random() < 0.4
    options: dict[str, Any] = {
        "plan": chance.choice(["fixed", "bucketed", "packed"]),
        "layout": "causal" if causal else "seq2seq",
        "batch_size": chance.randint(2, 6),
        "seed": chance.randint(0, 99),
        "micro_batches_per_step": chance.randint(1, 4),
        "validation_fraction": chance.choice([0.1, 0.3]),
        "max_input_length": chance.choice([24, 256]),
        "max_target_length": chance.choice([60, 512]),
    }
    if causal:
        options |= {"separator_ids": [5, 6], "loss_on": chance.choice(["target", "both"])}
    if chance.random() < 0.4:
        options["weights"] = {store.record(0).source: chance.choice([0.5, 1.5, 2])}
    return Walk(folder, store, options, sorted(chance.sample(range(len(store)), 3)))
