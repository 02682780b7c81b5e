"""The last layer of a model, asked for the rows alone that a label is asked of.

Kinds of models differ in what they do around it: T5 scales before, BART adds a bias, Gemma 2 caps the logits
after. None of that is written again here: a hook in front of the layer takes the rows, and the model does
the rest by itself. That this gives the rows of its whole logits is tried once for each model, by `head_of`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from chefgenius.model.compute import autocast
from chefgenius.model.inputs import IGNORED, Forward, forward_of
from chefgenius.settings.config import Precision

_KNOWN: WeakKeyDictionary[PreTrainedModel, "Head"] = WeakKeyDictionary()
_CLOSE = {"float32": 1e-4}
"""how far rows may be from those of the whole logits, in parts of the largest; else 0.02"""


@dataclass(frozen=True)
class Head:
    """What was found out about a model's last layer."""

    rows: bool
    """whether the model gives the rows of its whole logits when the layer is given these rows alone"""
    bare: bool
    """whether they are the product with the layer's weight, with nothing after it"""


def head_of(model: PreTrainedModel, precision: Precision = "float32") -> Head:
    """What is known of the model's last layer; tried on a batch of a few ids when it is first asked for.

    To be called before the model is wrapped in anything. Leaves generators and training mode alone.
    """
    if model not in _KNOWN:
        _KNOWN[model] = _try(model, precision)
    return _KNOWN[model]


def last_layer(model: PreTrainedModel) -> nn.Module:
    """The one that gives the logits; only where `head_of` says that it can be given rows."""
    layer: nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return layer


@contextmanager
def given(layer: nn.Module, places: Tensor, *, first: bool = False) -> Iterator[list[Tensor]]:
    """Within the block the layer is given these rows of its input, which stand in the list that is yielded.

    With `first` they do, and the layer is given the input's first row alone.
    """
    rows: list[Tensor] = []

    def take(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden: Tensor = arguments[0].flatten(0, -2)  # [..., width] -> [places of all sequences, width]
        rows.append(hidden.index_select(0, places))
        return (hidden[:1] if first else rows[-1], *arguments[1:])

    handle = layer.register_forward_pre_hook(take)
    try:
        yield rows
    finally:
        handle.remove()


def whole_logits(model: PreTrainedModel, forward: Forward) -> Tensor:
    """The logits [targets, vocabulary] of a forward pass, by way of those of all places."""
    logits: Tensor = model(**forward.arguments).logits
    return logits.flatten(0, -2).index_select(0, forward.places)


@contextmanager
def looking(model: PreTrainedModel, precision: Precision) -> Iterator[None]:
    """Within the block the model only tells what it says: no gradients, no dropout."""
    training = model.training
    model.eval()  # type: ignore[no-untyped-call]
    try:
        with torch.no_grad(), autocast(model.device, precision):
            yield
    finally:
        model.train(training)


def trial_batch(vocabulary: int) -> dict[str, Tensor]:
    """Two rows of a few ids, in the layout of either kind."""
    ids = torch.arange(10).reshape(2, 5) % vocabulary
    labels = ids.clone()
    labels[0, :2] = labels[1, 3:] = IGNORED
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def _try(model: PreTrainedModel, precision: Precision) -> Head:
    layer = last_layer(model)
    if layer is None:
        return Head(rows=False, bare=False)
    forward = forward_of(model, trial_batch(model.config.get_text_config().vocab_size))
    close = _CLOSE.get(precision, 0.02)
    with looking(model, precision):
        whole = whole_logits(model, forward)
        try:
            with given(layer, forward.places) as rows:
                found = model(**forward.arguments).logits
        except (RuntimeError, ValueError, IndexError, TypeError):  # it looks at the shape of what it made
            return Head(rows=False, bare=False)
        plain = isinstance(layer, nn.Linear) and layer.bias is None
        bare = layer(rows[-1]) if plain else None

    def is_whole(logits: Tensor | None) -> bool:
        same = logits is not None and logits.shape == whole.shape
        return logits is not None and same and bool((logits - whole).abs().max() <= close * whole.abs().max())

    return Head(rows=len(rows) == 1 and is_whole(found), bare=is_whole(bare))
