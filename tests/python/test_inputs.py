import torch
from chefgenius.model.inputs import shift_right


def test_labels_are_shifted_right() -> None:
    labels = torch.tensor([[5, 6, 1], [7, 1, -100], [1, -100, -100]])
    expected = torch.tensor([[0, 5, 6], [0, 7, 1], [0, 1, 0]])
    assert torch.equal(shift_right(labels, 0, 0), expected)


def test_each_record_of_a_packed_row_begins_with_the_start() -> None:
    labels = torch.tensor([[5, 6, 1, 8, 1, -100]])
    positions = torch.tensor([[0, 1, 2, 0, 1, 0]])
    assert torch.equal(shift_right(labels, 3, 0, positions), torch.tensor([[3, 5, 6, 3, 8, 3]]))
