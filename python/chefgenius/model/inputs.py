"""From a batch to the arguments of a model's forward pass, and which of its outputs are learned.

1. `forward_of` lays a batch out for the model's kind, packed or not.
2. `Forward.places` are the rows of the output, all sequences one after another, that a label is asked of.
   They are found where the labels lie, which is the CPU: no device is waited for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from chefgenius.model.packing import causal_masks, encoder_decoder_masks, unpadded

IGNORED = -100
"""label of a position that does not count"""


@dataclass(frozen=True)
class Forward:
    """One forward pass."""

    arguments: dict[str, Any]
    """of the model"""
    places: Tensor
    """[targets] int64: rows of the flattened output, ascending"""
    targets: Tensor
    """[targets] int64: the label of each"""
    encoder_mask: Tensor | None = None
    """what the encoder sees, where that is not `attention_mask`"""


def forward_of(model: PreTrainedModel, batch: dict[str, Tensor]) -> Forward:
    """The forward pass of a batch, whose tensors may lie on the CPU; its own lie on the model's device."""
    if model.config.is_encoder_decoder:
        return _encoder_decoder(model, batch)
    if "segment_ids" not in batch:
        # No mask is needed: padding stands after all that counts, and nothing looks ahead.
        return _causal(model, batch, batch["labels"], {"input_ids": batch["input_ids"]})
    if "flash" in str(model.config._attn_implementation):
        labels = batch["labels"][batch["segment_ids"] > 0][None]
        return _causal(model, batch, labels, unpadded(batch))
    masks = causal_masks(_moved(batch, model.device), model.dtype)
    return _causal(model, batch, batch["labels"], {"input_ids": batch["input_ids"], **masks})


def _causal(
    model: PreTrainedModel, batch: dict[str, Tensor], labels: Tensor, arguments: dict[str, Any]
) -> Forward:
    """The label of a place is what the place before it says; the first of a record is never asked for."""
    asked = labels[:, 1:] != IGNORED
    places = functional.pad(asked, (0, 1)).flatten().nonzero().flatten()
    found = _moved({"places": places, "targets": labels[:, 1:][asked], **arguments}, model.device)
    return Forward(places=found.pop("places"), targets=found.pop("targets"), arguments=_training(found))


def _encoder_decoder(model: PreTrainedModel, batch: dict[str, Tensor]) -> Forward:
    labels = batch["labels"].flatten()
    places = (labels != IGNORED).nonzero().flatten()
    found = _moved({**batch, "places": places, "targets": labels[places]}, model.device)
    start, pad = model.config.decoder_start_token_id, model.config.pad_token_id
    arguments = {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"]}
    arguments["decoder_input_ids"] = shift_right(
        found["labels"], start, pad, found.get("decoder_position_ids")
    )
    mask = None
    if "segment_ids" in batch:
        masks = encoder_decoder_masks(found, model.dtype)
        mask, arguments["decoder_attention_mask"], arguments["attention_mask"] = masks
    return Forward(_training(arguments), found["places"], found["targets"], mask)


def _training(arguments: dict[str, Any]) -> dict[str, Any]:
    """Without a cache of keys and values, which some kinds build although nothing is generated."""
    return {**arguments, "use_cache": False}


def _moved(tensors: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    return {
        name: one.to(device, non_blocking=True) if isinstance(one, Tensor) else one
        for name, one in tensors.items()
    }


def shift_right(labels: Tensor, start: int, pad: int, positions: Tensor | None = None) -> Tensor:
    """Decoder inputs [batch, length] int64: labels a place later, `start` first, ignored places as `pad`.

    With `positions`, the places within each record of a packed row, every record begins with `start`.
    """
    shifted = labels.roll(1, dims=1)
    if positions is None:
        shifted[:, 0] = start
    else:
        shifted.masked_fill_(positions == 0, start)
    return shifted.masked_fill_(shifted == IGNORED, pad)


@contextmanager
def encoder_sees(model: PreTrainedModel, mask: Tensor | None) -> Iterator[None]:
    """Within the block the encoder has this mask, while the decoder looks at it through `attention_mask`."""
    if mask is None:
        yield
        return

    def swap(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**kwargs, "attention_mask": mask}

    handle = model.get_encoder().register_forward_pre_hook(swap, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
