"""The part of one rank in a step, and models of which each rank has a part."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from adapters import on_base
from chains import CAUSAL
from chefgenius.model.loss import TokenLoss
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.world import World
from chefgenius.training.sharing import Sharing
from chefgenius.training.tensors import read_tensors
from fitting import metrics
from kinds import tiny
from running import Nursery, assert_same_run, opened, outcome, words
from test_ranks import QUICK, SHARED, assert_alike, ended, told

FSDP = "train.sharding=fsdp2"
LEAVE = ("--allow-change", "world_size,sharding")


def train(nursery: Nursery, folder: Path, size: int, *overrides: str, run: str = "run") -> None:
    ranks = nursery.start_ranks(size, *words(folder, *overrides, run=run))
    assert ended(ranks) == [0] * size, told(ranks)


def steps_of(world: World, slots: int) -> list[tuple[int | None, bool]]:
    found = object.__new__(Sharing)
    found.world = world
    return list(found.passes(slots))


@pytest.mark.parametrize("slots", range(1, 9))
def test_every_slot_has_one_rank_and_every_rank_the_same_number_of_passes(slots: int) -> None:
    for size in range(1, 9):
        passes = [steps_of(World(rank, size), slots) for rank in range(size)]
        assert {len(one) for one in passes} == {-(-slots // size)}
        assert sorted(slot for one in passes for slot, _ in one if slot is not None) == list(range(slots))
        for rank, one in enumerate(passes):
            assert all(slot % size == rank for slot, _ in one if slot is not None)
            assert [last for _, last in one] == [False] * (len(one) - 1) + [True]


def test_alone_nothing_is_wrapped_and_nothing_sent(tmp_path: Path) -> None:
    with opened(tmp_path, FSDP) as trainer:
        sharing = trainer.sharing
        assert sharing.loss is sharing.inner
        assert isinstance(sharing.inner, TokenLoss)
        assert not sharing.sharded
        assert str(sharing) == ""
        total = sharing.total(torch.tensor(3.0))
        assert total.tolist() == [3.0]
        sharing.hear(total.tolist()[1:])
        assert (sharing.stop, sharing.save) == (False, False)
        with sharing.part(last=False), sharing.evaluating():
            assert sharing.loss(sharing.nothing()).isfinite()


@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama", "gemma2"])
def test_a_pass_without_a_micro_batch_reaches_every_parameter(kind: str) -> None:
    """Else the others would wait for a gradient that never comes."""
    model = tiny(kind)
    sharing = Sharing(TokenLoss(model))
    loss = sharing.loss(sharing.nothing())
    assert loss.isfinite()
    (loss * 0).backward()
    assert all(one.grad is not None and not one.grad.any() for one in model.parameters())


STEADY = ("data.batch_size=6", "optim.schedule=constant", "optim.eps=1e-4")
"""8 micro-batches, a rate that does not depend on the end, and gradients of rounding that move nothing"""
KINDS_OF_RUNS = {
    "packed": ("data.plan=packed", "data.batch_size=2"),
    "causal": (CAUSAL,),
    "causal, packed": (CAUSAL, "data.plan=packed", "data.batch_size=2"),
    "averages": ("train.ema_decay=0.9", "eval.use_ema=true"),
    "fp16": ("train.precision=fp16", "optim.eps=1e-2"),  # so that updates are about as their gradients
}
HALVES = 6 * 2**-11
"""how far gradients of fp16 may be apart, as a part of them, when they are shared by three

Each rank multiplies its loss by 3, which is no power of two as the scale is, so every half of the backward
pass is rounded at another place: by 2^-11 of it at most. The longest way back through this model has 12
products in halves: 3 of attention and 2 of what follows it, in the encoder and, across too, in the decoder,
the last layer, and the weight's own. The root of those of two runs is 5; the weights, which come apart by it,
add the rest. Forward nothing is multiplied: a loss differs by the weights alone, of what the run takes off
it, here a tenth.
"""


def apart(tensors: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> float:
    """The distance of two models."""
    return math.hypot(*((one - others[key]).norm().item() for key, one in tensors.items()))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS_OF_RUNS)
def test_every_kind_of_run_is_shared_by_three_as_by_one(nursery: Nursery, tmp_path: Path, kind: str) -> None:
    """Evaluated by the first, saved in between, and with steps that rank 2 has no part of."""
    steady = (*STEADY, "eval.every_steps=4", "train.max_steps=8")
    plan = (*SHARED, *steady, *KINDS_OF_RUNS[kind])
    with opened(tmp_path, *plan, run="looked at") as trainer:
        assert trainer.feed.loader.micro_batches % 3 in (1, 2)
        assert trainer.feed.loader.steps_per_epoch < 8
        begin = {key: one.detach().clone() for key, one in trainer.model.named_parameters()}
    train(nursery, tmp_path, 1, *plan, run="whole")
    train(nursery, tmp_path, 3, *plan, "train.max_steps=5")
    train(nursery, tmp_path, 3, *plan)
    run, whole = tmp_path / "run", tmp_path / "whole"
    assert json.loads((run / "run.json").read_bytes())["exact"]
    ends = [line["step"] for line in metrics(run, "evaluation")]
    assert ends == [0, 4, 5, 8], "the end of the first process is one"
    assert_alike(metrics(run), metrics(whole), HALVES / 1e-4 if kind == "fp16" else 1)
    found, expected = outcome(run), outcome(whole)
    assert found["sections"]["scaler"] == expected["sections"]["scaler"]
    last = RunDirectory(run).step_path(8), RunDirectory(whole).step_path(8)
    assert ("averages.safetensors" in {one.name for one in last[0].iterdir()}) == (kind == "averages")
    for name in {one.name for one in last[0].glob("*.safetensors")} - {"optim.safetensors"}:
        tensors, others = (read_tensors(one / name) for one in last)
        assert tensors.keys() == others.keys()
        if kind == "fp16":
            assert apart(tensors, others) < HALVES * apart(begin, others), "of the way that they went"
        for key, tensor in tensors.items():
            most = 3e-3 if kind == "fp16" else 1e-4
            assert torch.allclose(tensor, others[key], atol=most), (name, key)


def test_a_sharded_run_is_that_of_whole_models_and_goes_on_with_any_number(
    nursery: Nursery, tmp_path: Path
) -> None:
    """Trained, evaluated, saved and resumed by two with half a model each, then by one, then by two whole."""
    plan = (*SHARED, "optim.schedule=constant", "eval.every_steps=8", "checkpoint.every_steps=50")
    train(nursery, tmp_path, 1, *plan, "train.max_steps=8", run="whole")
    train(nursery, tmp_path, 2, *plan, FSDP, "train.max_steps=3")
    newest = RunDirectory(tmp_path / "run").step_path(3)
    assert {one.name for one in newest.glob("*.safetensors")} == {"model.safetensors", "optim.safetensors"}
    train(nursery, tmp_path, 2, *plan, FSDP, "train.max_steps=5")
    assert json.loads((tmp_path / "run" / "run.json").read_bytes())["exact"]
    train(nursery, tmp_path, 1, *plan, FSDP, "train.max_steps=6", *LEAVE)
    train(nursery, tmp_path, 2, *plan, "train.max_steps=8", *LEAVE)
    assert_alike(metrics(tmp_path / "run"), metrics(tmp_path / "whole"))
    last = metrics(tmp_path / "run", "evaluation")[-1]
    other = metrics(tmp_path / "whole", "evaluation")[-1]
    assert last["step"] == other["step"] == 8
    assert last["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-5)


@pytest.mark.long
def test_a_sharded_model_trains_an_adapter_as_a_whole_one_does(nursery: Nursery, tmp_path: Path) -> None:
    plan = (*on_base(tmp_path), *QUICK)
    train(nursery, tmp_path, 1, *plan, run="whole")
    train(nursery, tmp_path, 2, *plan, FSDP, "train.max_steps=4")
    newest = RunDirectory(tmp_path / "run").step_path(4)
    names = {"adapter_model.safetensors", "optim.safetensors"}
    assert {one.name for one in newest.glob("*.safetensors")} == names
    train(nursery, tmp_path, 1, *plan, *LEAVE)
    assert_alike(metrics(tmp_path / "run"), metrics(tmp_path / "whole"))


@pytest.mark.long
def test_a_sharded_run_repeats_itself_resumed_or_not(nursery: Nursery, tmp_path: Path) -> None:
    plan = (*QUICK, FSDP)
    train(nursery, tmp_path, 2, *plan, run="whole")
    train(nursery, tmp_path, 2, *plan, "train.max_steps=3")
    train(nursery, tmp_path, 2, *plan)
    run = tmp_path / "run"
    assert [line["step"] for line in metrics(run)] == [1, 2, 3, 4, 5, 6]
    assert_same_run(run, tmp_path / "whole")
