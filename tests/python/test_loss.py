from collections.abc import Callable
from typing import Any

import pytest
import torch
from chefgenius.model.head import head_of, last_layer
from chefgenius.model.loss import TokenLoss
from chefgenius.model.projection import summed_loss
from kinds import KINDS, batch_of, tiny
from test_model import small
from torch import Tensor, nn
from torch.nn import functional

Learned = tuple[float, dict[str, Tensor]]


def learned(model: nn.Module, loss: Tensor) -> Learned:
    """A loss and the gradient of each parameter; the model forgets it."""
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return loss.item(), found


def theirs(model: Any, data: dict[str, Tensor]) -> Learned:
    """The model's own loss, times the labels that it is the mean of."""
    causal = not model.config.is_encoder_decoder
    count = int((data["labels"][:, causal:] >= 0).sum())
    return learned(model, model(**data).loss * count)


def assert_alike(found: Learned, expected: Learned, rel: float = 1e-6) -> None:
    assert found[0] == pytest.approx(expected[0], rel=rel)
    assert found[1].keys() == expected[1].keys()
    scale = max(float(one.abs().max()) for one in expected[1].values())
    for name, gradient in found[1].items():
        assert torch.allclose(gradient, expected[1][name], rtol=20 * rel, atol=scale * rel), name


def batch(rows: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    return batch_of("t5", rows, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_model_times_its_tokens(kind: str) -> None:
    model, data = tiny(kind), batch_of(kind)
    loss = TokenLoss(model)
    assert loss.head.rows, "no row is projected that no label is asked of"
    assert loss.head.bare == (kind not in ("bart", "gemma2"))
    assert_alike(learned(model, loss(data)), theirs(model, data))


@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama", "gemma2"])
def test_rows_that_do_not_count_never_reach_the_vocabulary(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = tiny(kind), batch_of(kind)
    loss, projected = TokenLoss(model), list[int]()
    last_layer(model).register_forward_hook(lambda module, given, made: projected.append(len(made)))

    def counted(hidden: Tensor, *given: Any, **named: Any) -> Tensor:
        projected[:] = [len(hidden)]
        return summed_loss(hidden, *given, **named)

    monkeypatch.setattr("chefgenius.model.loss.summed_loss", counted)
    loss(data)
    causal = not model.config.is_encoder_decoder
    assert projected == [int((data["labels"][:, causal:] >= 0).sum())]


def centred(logits: Tensor) -> Tensor:
    """What all places say in the mean is taken away from each."""
    return logits - logits.flatten(0, -2).mean(0)


def by_rows(logits: Tensor) -> Tensor:
    """Each sequence by its own last place, which asks for sequences."""
    rows, length, words = logits.shape
    return logits + 0.5 * logits.reshape(rows, length, words)[:, -1:]


@pytest.mark.parametrize("spoil", [centred, by_rows])
def test_a_model_that_needs_all_rows_has_them(spoil: Callable[[Tensor], Tensor]) -> None:
    """Whatever a kind does after its last layer, the loss is that of its own logits."""
    model, data = tiny("gpt2"), batch_of("gpt2")
    plain = model.forward

    def forward(*given: Any, **named: Any) -> Any:
        made = plain(*given, **named)
        made.logits = spoil(made.logits)
        return made

    model.forward = forward
    assert not head_of(model).rows
    logits = model(input_ids=data["input_ids"]).logits
    expected = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), data["labels"][:, 1:].flatten(), reduction="sum"
    )
    assert TokenLoss(model)(data).item() == pytest.approx(expected.item(), rel=1e-6)


def smoothed(logits: Tensor, labels: Tensor, share: float) -> float:
    """The naive twin: cross-entropy with a target that has `share` spread over all words."""
    total = 0.0
    for row, label in zip(logits.flatten(0, 1).double(), labels.flatten().tolist(), strict=True):
        if label >= 0:
            wanted = torch.full_like(row, share / len(row))
            wanted[label] += 1 - share
            total -= float((wanted * row.log_softmax(0)).sum())
    return total


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_label_smoothing_spreads_each_target(share: float, kind: str) -> None:
    """Whether the last layer is taken a piece at a time or not."""
    model, data = tiny(kind), batch()
    loss = TokenLoss(model, label_smoothing=share)(data)
    expected = smoothed(model(**data).logits.detach(), data["labels"], share)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_rows_adds_up() -> None:
    for kind in ("t5", "gpt2", "llama"):
        model, data = tiny(kind), batch_of(kind)
        rows = [{name: tensor[[row]] for name, tensor in data.items()} for row in range(3)]
        alone = sum(TokenLoss(model)(row).item() for row in rows)
        assert TokenLoss(model)(data).item() == pytest.approx(alone, rel=1e-5)


def test_a_batch_without_targets_has_no_loss_and_no_gradient() -> None:
    for kind in ("t5", "bart"):
        model, data = tiny(kind), batch()
        data["labels"].fill_(-100)
        loss, gradients = learned(model, TokenLoss(model)(data))
        assert loss == 0
        assert all(not gradient.any() for gradient in gradients.values())


def test_bf16_computes_the_loss_in_float32() -> None:
    model, data = small(), batch()
    low, full = TokenLoss(model, "bf16")(data), TokenLoss(model, "float32")(data)
    assert low.dtype == torch.float32
    assert low.item() != full.item()
    assert low.item() == pytest.approx(full.item(), rel=0.02)


@pytest.mark.parametrize("kind", ["t5", "bart", "gpt2", "llama"])
def test_padding_does_not_count(kind: str) -> None:
    model, data = tiny(kind), batch_of(kind)
    wider = {
        name: functional.pad(tensor, (0, 4), value=-100 if name == "labels" else 0)
        for name, tensor in data.items()
    }
    narrow = TokenLoss(model)(data).item()
    assert TokenLoss(model)(wider).item() == pytest.approx(narrow, rel=1e-5)


def test_what_is_tried_of_a_model_leaves_no_trace() -> None:
    model = small(dropout_rate=0.5)
    before = torch.get_rng_state()
    head_of(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(one.grad is None for one in model.parameters())
    assert not last_layer(model)._forward_pre_hooks
