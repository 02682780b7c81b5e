"""Records that share a row, kept apart: the masks and places that a packed batch needs.

A place sees those of its own record alone. The masks are added to the scores of attention, one number for
each pair of places: -10000 shuts a place out in every float type, and a row of nothing else, as padding may
have, stays finite. T5 knows only distances, which are within a record what they were; causal models take
their places from `position_ids`.
"""

import torch
from torch import Tensor

SHUT = -10000.0


def same_record(looking: Tensor, seen: Tensor, *, causal: bool, dtype: torch.dtype) -> Tensor:
    """Added mask [rows, 1, places that look, places that are seen] of two sides' segment ids [rows, places].

    0 where both are of the same record, else -10000; with `causal` also for places that come later.
    """
    same = looking[:, None, :, None] == seen[:, None, None, :]
    if causal:
        same = same.tril()
    return torch.zeros(same.shape, dtype=dtype, device=same.device).masked_fill_(~same, SHUT)


def causal_masks(batch: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Of a packed batch of one side: what a causal model is given besides `input_ids`."""
    segments = batch["segment_ids"]
    return {
        "attention_mask": same_record(segments, segments, causal=True, dtype=dtype),
        "position_ids": batch["position_ids"],
    }


def unpadded(batch: dict[str, Tensor]) -> dict[str, Tensor | int]:
    """The same for kernels of variable length (flash attention), as one row of all ids that count.

    `input_ids` and `position_ids` [1, ids], where each record begins, and the length of the longest.
    """
    counted, ends = batch["segment_ids"] > 0, batch["cu_seqlens"]
    longest = int(ends.diff().max())
    return {
        "input_ids": batch["input_ids"][counted][None],
        "position_ids": batch["position_ids"][counted][None],
        "cu_seq_lens_q": ends,
        "cu_seq_lens_k": ends,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def encoder_decoder_masks(batch: dict[str, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Of a packed batch of two sides: what the encoder sees, the decoder of itself, and of the encoder."""
    sources, targets = batch["segment_ids"], batch["decoder_segment_ids"]
    return (
        same_record(sources, sources, causal=False, dtype=dtype),
        same_record(targets, targets, causal=True, dtype=dtype),
        same_record(targets, sources, causal=False, dtype=dtype),
    )
