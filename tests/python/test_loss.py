import pytest
import torch
from chefgenius.loss import TokenLoss, shift_right
from test_model import small
from torch.nn import functional


def batch(rows: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Prompts and targets of different lengths."""
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 40, (rows, 7), generator=chance)
    labels = torch.randint(2, 40, (rows, 9), generator=chance)
    mask = torch.ones_like(ids)
    for row in range(rows):
        mask[row, 3 + row :] = 0
        labels[row, 2 + 2 * row :] = -100
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}


def test_labels_are_shifted_right() -> None:
    labels = torch.tensor([[5, 6, 1], [7, 1, -100], [1, -100, -100]])
    expected = torch.tensor([[0, 5, 6], [0, 7, 1], [0, 1, 0]])
    assert torch.equal(shift_right(labels, 0, 0), expected)


def test_the_loss_is_that_of_the_model_times_its_tokens() -> None:
    model, data = small(), batch()
    theirs = model(**data).loss.item() * int((data["labels"] >= 0).sum())
    assert TokenLoss(model, "float32")(data).item() == pytest.approx(theirs, rel=1e-6)


def test_the_loss_of_rows_adds_up() -> None:
    model, data = small(), batch()
    rows = [{name: tensor[[row]] for name, tensor in data.items()} for row in range(3)]
    alone = sum(TokenLoss(model, "float32")(row).item() for row in rows)
    assert TokenLoss(model, "float32")(data).item() == pytest.approx(alone, rel=1e-5)


def test_bf16_computes_the_loss_in_float32() -> None:
    model, data = small(), batch()
    low, full = TokenLoss(model, "bf16")(data), TokenLoss(model, "float32")(data)
    assert low.dtype == torch.float32
    assert low.item() != full.item()
    assert low.item() == pytest.approx(full.item(), rel=0.02)


def test_padding_does_not_count() -> None:
    model, data = small(), batch()
    wider = {
        "input_ids": functional.pad(data["input_ids"], (0, 4)),
        "attention_mask": functional.pad(data["attention_mask"], (0, 4)),
        "labels": functional.pad(data["labels"], (0, 3), value=-100),
    }
    narrow = TokenLoss(model, "float32")(data).item()
    assert TokenLoss(model, "float32")(wider).item() == pytest.approx(narrow, rel=1e-5)
