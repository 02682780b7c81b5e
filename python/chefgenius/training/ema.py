"""A running average of the weights, which often judges and generates better than the weights themselves.

It has no memory beside its tensors: the weight of the past is a closed form of the step. Training never reads
it; `in_place` lends it to an evaluation.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from chefgenius.training.tensors import own_part


def decay_at(step: int, decay: float) -> float:
    """The weight of the past in step `step`, counted from 1: `decay`, and less in the first steps.

    (1 + step) / (10 + step) as in TensorFlow's moving averages: so the first weights, which know nothing,
    are soon forgotten.
    """
    return min(decay, (1 + step) / (10 + step))


def begin_averages(trained: Mapping[str, nn.Parameter], decay: float | None) -> "Averages | None":
    """Averages that begin as the parameters are now; None without a decay."""
    return None if decay is None else Averages(trained, decay)


class Averages:
    """The averages of the trained parameters, float32, on the parameters' devices.

    They begin as the parameters are now.
    """

    def __init__(self, trained: Mapping[str, nn.Parameter], decay: float) -> None:
        self._weights = list(trained.values())
        self._averages = [one.detach().clone() for one in self._weights]
        self._decay = decay
        # of what ranks share, the part of this one: all is done element by element
        self._own = [own_part(one.detach()) for one in self._weights]
        self._means = [own_part(one) for one in self._averages]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the weights after optimizer step `step`, counted from 1."""
        torch._foreach_lerp_(self._means, self._own, 1 - decay_at(step, self._decay))

    def over(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same tensors, with its average in the place of each trained parameter. No copies."""
        own = dict(zip(map(id, self._weights), self._averages, strict=True))
        return {name: own.get(id(one), one) for name, one in tensors.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the model has the averages for weights; after it each bit is where it was."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in zip(self._own, self._means, strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)


def lent(averages: Averages | None) -> AbstractContextManager[None]:
    """`in_place` of averages, if there are any."""
    return nullcontext() if averages is None else averages.in_place()
