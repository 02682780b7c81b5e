"""Batches padded to few shapes: what was in them stays, nothing that is added counts."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from chefgenius.data.plan import LayoutKind, PlanKind
from chefgenius.model.loss import TokenLoss
from chefgenius.model.shapes import Shapes, eighths, shapes_of
from chefgenius.settings.config import Config, DataConfig
from kinds import ENCODER_DECODERS, KINDS, batch_of, tiny
from samples import build, load, recipes, take

PLANS: list[tuple[LayoutKind, PlanKind]] = [
    ("seq2seq", "bucketed"),
    ("seq2seq", "packed"),
    ("causal", "packed"),
]


def test_widths_are_eighths_of_the_longest_and_whole_multiples() -> None:
    assert eighths(512) == (64, 128, 192, 256, 320, 384, 448, 512)
    assert eighths(20) == (8, 16, 24)
    for longest in range(1, 600):
        edges = eighths(longest)
        assert list(edges) == sorted(set(edges))
        assert len(edges) <= 8
        assert edges[-1] - 8 < longest <= edges[-1]
        assert not any(edge % 8 for edge in edges)


@pytest.mark.parametrize(
    ("layout", "columns", "expected", "told"),
    [
        ("seq2seq", None, (4, (8, 16, 24), (8, 16, 24, 32, 40), 3), "15 shapes of 4 rows"),
        ("seq2seq", (30, 41), (4, (32,), (48,), 3), "1 shape of 4 rows"),
        ("causal", None, (4, (8, 16, 24, 32, 40, 48, 56, 64), (), 3), "8 shapes of 4 rows"),
        ("causal", (50, 50), (4, (56,), (), 3), "1 shape of 4 rows"),
    ],
)
def test_the_shapes_follow_from_the_plan(
    layout: LayoutKind, columns: tuple[int, int] | None, expected: tuple[Any, ...], told: str
) -> None:
    data = DataConfig(batch_size=4, max_input_length=24, max_target_length=40)
    loader: Any = SimpleNamespace(columns=columns, store=SimpleNamespace(pad_token_id=3))
    shapes = shapes_of(Config(data=data), layout, loader)
    assert shapes == Shapes(*expected)
    assert str(shapes) == told
    assert shapes.of_pieces("all") == shapes
    assert (shapes.of_pieces(3).rows, shapes.of_pieces(9).rows) == (3, 4)


def test_every_batch_gets_one_of_the_shapes_and_keeps_what_is_in_it(tmp_path: Any) -> None:
    store = build(tmp_path, recipes(40))
    for layout, plan in PLANS:
        loader = load(store, plan=plan, layout=layout, max_input_length=64, max_target_length=128)
        data = DataConfig(batch_size=4, max_input_length=64, max_target_length=128)
        shapes = shapes_of(Config(data=data), layout, loader)
        seen = set()
        for batch in take(loader, 2 * loader.micro_batches):
            fitted = shapes.fit(batch)
            assert fitted.keys() == batch.keys()
            seen.add((fitted["input_ids"].shape, fitted["labels"].shape))
            for name, tensor in batch.items():
                whole = fitted[name]
                if name.endswith("cu_seqlens"):
                    assert torch.equal(whole, tensor)
                    continue
                rows, columns = tensor.shape
                assert torch.equal(whole[:rows, :columns], tensor)
                rest = torch.ones_like(whole, dtype=torch.bool)
                rest[:rows, :columns] = False
                expected = {"labels": -100, "input_ids": store.pad_token_id}.get(name, 0)
                if name == "attention_mask":
                    assert (whole[rows:, 0] == 1).all()
                    rest[rows:, 0] = False
                assert (whole[rest] == expected).all()
        assert len(seen) <= len(shapes)
        for inputs, labels in seen:
            assert inputs[0] == labels[0] == 4
            assert inputs[1] in shapes.inputs
            assert labels[1] in (shapes.targets or shapes.inputs)


def test_a_batch_of_another_plan_gets_the_next_multiple() -> None:
    shapes = Shapes(4, (8, 16), (8,), 0)
    batch = {"input_ids": torch.ones(5, 17), "labels": torch.ones(5, 9)}
    assert [tuple(one.shape) for one in shapes.fit(batch).values()] == [(8, 24), (8, 16)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_a_padded_batch_and_its_gradient_are_those_of_the_batch(kind: str) -> None:
    model, batch = tiny(kind), batch_of(kind)
    shapes = Shapes(4, (16,), (16,) if kind in ENCODER_DECODERS else (), 0)
    found = []
    for one in (None, shapes):
        model.zero_grad()
        loss = TokenLoss(model, shapes=one)(batch)
        loss.backward()
        gradients = [each.grad.flatten() for each in model.parameters() if each.grad is not None]
        found.append((loss.item(), torch.cat(gradients)))
    (plain, expected), (padded, gradient) = found
    assert padded == pytest.approx(plain, rel=1e-6)
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
