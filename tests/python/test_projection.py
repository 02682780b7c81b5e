"""The last layer and its loss in one: equal to the plain way, in value and in both gradients."""

import pytest
import torch
from chefgenius.model.projection import summed_loss
from torch import Tensor
from torch.nn import functional

WORDS, WIDTH = 301, 24


def given(rows: int, width: int = WIDTH) -> tuple[Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, width, generator=made).mul_((WIDTH / width) ** 0.5).requires_grad_()
    weight = torch.randn(WORDS, width, generator=made, requires_grad=True)
    return hidden, weight, torch.randint(0, WORDS, (rows,), generator=made)


def plain(hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(hidden @ weight.t(), targets, reduction="sum", label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("rows", "width"),
    [(1, WIDTH), (63, WIDTH), (64, WIDTH), (65, WIDTH), (128, WIDTH), (200, WIDTH), (200, 128), (300, 256)],
)
def test_it_is_the_plain_loss_in_pieces(rows: int, width: int, smoothing: float) -> None:
    """Fewer rows than a piece, as many, and more with and without a rest; in float64 nothing is left over."""
    hidden, weight, targets = given(rows, width)
    loss = summed_loss(hidden, weight, targets, label_smoothing=smoothing, piece=1)
    wanted = plain(hidden.double(), weight.double(), targets, smoothing)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    found = torch.autograd.grad(loss / 7, (hidden, weight))
    expected = torch.autograd.grad(wanted / 7, (hidden, weight))
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= 1e-6 * other.norm()


def test_only_what_is_trained_gets_a_gradient() -> None:
    hidden, weight, targets = given(70)
    both = torch.autograd.grad(summed_loss(hidden, weight, targets), (hidden, weight))
    (alone,) = torch.autograd.grad(summed_loss(hidden, weight.detach(), targets), (hidden,))
    assert torch.equal(alone, both[0])
    (other,) = torch.autograd.grad(summed_loss(hidden.detach(), weight, targets), (weight,))
    assert torch.equal(other, both[1])
    with torch.no_grad():
        value = summed_loss(hidden, weight, targets)
    assert not value.requires_grad
    assert torch.equal(value, summed_loss(hidden, weight, targets).detach())


def test_a_second_backward_is_refused_since_the_first_one_took_the_gradients() -> None:
    hidden, weight, targets = given(3)
    loss = summed_loss(hidden, weight, targets)
    torch.autograd.backward(loss, retain_graph=True)
    with pytest.raises(RuntimeError, match="compute it again"):
        torch.autograd.backward(loss)


def test_huge_logits_neither_overflow_nor_vanish() -> None:
    hidden = torch.tensor([[200.0], [-200.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = summed_loss(hidden, weight, torch.tensor([1, 1]))
    assert loss.item() == 400.0
    (found,) = torch.autograd.grad(loss, hidden)
    assert torch.equal(found, torch.tensor([[2.0], [0.0]]))


def test_bfloat16_products_are_as_good_as_those_of_autocast() -> None:
    hidden, weight, targets = given(130)
    exact = torch.autograd.grad(plain(hidden, weight, targets, 0.0), (hidden, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        own = summed_loss(hidden, weight, targets, dtype=torch.bfloat16, piece=1)
        other = functional.cross_entropy(functional.linear(hidden, weight).float(), targets, reduction="sum")
    assert own.item() == pytest.approx(other.item(), rel=1e-3)
    ours, theirs = (torch.autograd.grad(loss, (hidden, weight)) for loss in (own, other))
    for one, two, wanted in zip(ours, theirs, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - wanted).norm() <= 1.1 * (two - wanted).norm()


def test_it_repeats_bit_by_bit_and_holds_few_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, targets = given(500)
    held: list[int] = []
    real = torch.log_softmax

    def watched(logits: Tensor, dimension: int, out: Tensor) -> Tensor:
        held.append(logits.numel())
        return real(logits, dimension, out=out)

    monkeypatch.setattr(torch, "log_softmax", watched)
    first, second = (
        torch.autograd.grad(summed_loss(hidden, weight, targets, piece=100 * WORDS), (hidden, weight))
        for _ in range(2)
    )
    assert held == [100 * WORDS] * 10
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
