"""What must hold of a training besides its speed: right gradients, the same bits again, no worse a model."""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import own
import seq2seq
import torch
from chefgenius import TokenStore
from chefgenius.model.loss import TokenLoss
from figures import Figure, Spread, table
from scene import Scene
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel

WINDOW = 16
"""records of the optimizer step that is cut"""
CUTS = (1, 2, 4, 8, 16)
"""into so many micro-batches"""
JUDGED = 256
"""records held out on which a trained model is judged"""
RATE = 1e-2
"""of learning, of a model that is judged: the best for Seq2SeqTrainer of 1e-3, 3e-3, 1e-2 and 3e-2"""


def splits(scene: Scene, made: TokenStore, work: Path) -> Iterator[Figure]:
    """One step of the same records, cut in several ways: loss and gradient must stay what they are."""
    scene = scene.without_dropout()
    ours, theirs = [], []
    for cut in CUTS:
        rows = replace(scene, rows=WINDOW // cut)
        more = ["data.plan=fixed", f"train.gradient_accumulation_steps={cut}", "train.precision=float32"]
        run = own.train(own.words(rows, made, work / "split", 1, 1, *more))
        (line,) = own.lines(run)
        ours.append((float(line["loss"]), float(line["grad_norm"])))
        with rows.loader(made, 1, "fixed", micro_batches_per_step=cut) as loader:
            peer = seq2seq.trainer(
                rows,
                made,
                work / "split-peer",
                1,
                max_steps=1,
                gradient_accumulation_steps=cut,
                logging_strategy="steps",
                logging_steps=1,
                bf16=False,
            )
            peer.loader = loader
            seq2seq.as_usual(1)
            peer.train()
        told = peer.state.log_history[0]
        theirs.append((told["loss"], told["grad_norm"]))
    rows_told = [
        (f"{WINDOW // cut} x {cut}", *(f"{value:.7g}" for pair in pairs for value in pair))
        for cut, *pairs in zip(CUTS, ours, theirs, strict=True)
    ]
    head = ("records x micro-batches", "loss", "norm", "Seq2SeqTrainer's loss", "its norm")
    print(f"\n{table(rows_told, head)}\n", flush=True)
    for place, name in enumerate(("loss", "gradient norm")):
        whole = ours[0][place]
        worst = max(abs(one[place] / whole - 1) for one in ours)
        yield Figure(f"{name} by the cut of a step, relative difference", "{:.1e}", worst, 1e-6)
        wrong = [one[place] / theirs[0][place] for one in theirs]
        yield Figure(f"the same, Seq2SeqTrainer: times as large, {name}", "{:.2f} x", Spread.of(wrong))


def repeated(scene: Scene, made: TokenStore, work: Path) -> Iterator[Figure]:
    """A strict run here and the same in another process: the files that differ."""
    steps = 4
    more = ["log.every_steps=1", "train.determinism=strict", "train.precision=float32"]
    first = own.train(own.words(scene, made, work / "first", 1, steps, *more))
    again = own.train_elsewhere(own.words(scene, made, work / "again", 1, steps, *more))
    names = ["metrics.jsonl"]
    names += [
        f"checkpoints/{own.last_checkpoint(first).name}/{file}.safetensors" for file in ("model", "optim")
    ]
    differ = [name for name in names if (first / name).read_bytes() != (again / name).read_bytes()]
    remark = ", ".join(differ)
    told = f"of {len(names)} files, other bits in another process"
    yield Figure(told, "{:.0f}", len(differ), 0.0, 0.0, remark=remark)


def quality(scene: Scene, made: TokenStore, options: argparse.Namespace) -> Iterator[Figure]:
    """The loss on records held out after as many steps, of `options.tokens` useful target tokens in all.

    Texts are short, so steps are many. Both learn at the same rate, which falls in a line to 0 as by default.
    """
    lengths = tuple(most // 4 for most in scene.lengths)
    scene = replace(scene, lengths=lengths, learning_rate=RATE)  # type: ignore[arg-type]
    rows = seq2seq.Rows(scene, made)
    tokens_of_a_row = statistics.mean(len(row["labels"]) for row in rows.rows)
    steps = max(1, round(options.tokens / tokens_of_a_row / scene.rows))
    taken: dict[str, list[float]] = {"chefgenius": [], "Seq2SeqTrainer": []}
    for seed in range(options.seeds):
        falling = ["data.plan=bucketed", "optim.schedule=linear"]
        run = own.train(own.words(scene, made, options.work / "judged", seed, steps, *falling))
        seen = own.lines(run)[-1]["target_tokens"]
        model = AutoModelForSeq2SeqLM.from_pretrained(own.last_checkpoint(run), dtype=torch.float32)
        taken["chefgenius"].append(judged(scene, made, model))
        seq2seq.as_usual(own.run_facts(run)["threads"])
        model = seq2seq.new_model(scene, made, seed)
        counted = seq2seq.Counted(model, made)
        peer = seq2seq.trainer(
            scene,
            made,
            options.work / "judged-peer",
            seed,
            model=model,
            train_dataset=rows,
            data_collator=counted,
            max_steps=steps,
            lr_scheduler_type="linear",
        )
        peer.train()
        taken["Seq2SeqTrainer"].append(judged(scene, made, model))
        both = ", ".join(f"{name} {losses[-1]:.4f}" for name, losses in taken.items())
        told = f"{seen:,} and {sum(counted.tokens[:steps]):,} target tokens"
        print(f"  validation loss, seed {seed}, {steps} steps, {told}: {both}", flush=True)
        shutil.rmtree(run)
    pairs = zip(taken["chefgenius"], taken["Seq2SeqTrainer"], strict=True)
    ratios = [mine / other for mine, other in pairs]
    told = f"validation loss after {options.tokens:,} target tokens"
    yield Figure(f"{told}, against Seq2SeqTrainer", "{:.3f} x", Spread.of(ratios), 1.0, at_most=True)
    for name, losses in taken.items():
        yield Figure(f"{told}, {name}", "{:.3f}", Spread.of(losses))
        if len(losses) > 1:
            spread = statistics.stdev(losses) / statistics.mean(losses)
            yield Figure(f"its standard deviation by seed, relative, {name}", "{:.4f}", spread)


def judged(scene: Scene, made: TokenStore, model: PreTrainedModel) -> float:
    """Mean loss a target token of records held out."""
    model.to(scene.device).eval()  # type: ignore[arg-type]
    loss, total, tokens, seen = TokenLoss(model), 0.0, 0, 0
    with torch.no_grad(), scene.loader(made, 0, "fixed", split="validation", rows=16) as loader:
        for batch in loader:
            total += float(loss(batch))
            tokens += int((batch["labels"] != seq2seq.IGNORED).sum())
            if (seen := seen + len(batch.record_ids)) >= JUDGED:
                break
    return total / tokens
