"""The loss of a micro-batch: the *sum* of its token losses, computed outside the model.

Only the sum over a whole step, divided by that step's target tokens, gives accumulation the gradient of one
large batch. `TokenLoss` is a module, so that what wraps a model for several processes can wrap the whole way
from a batch to its loss.
"""

from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from chefgenius.compute import autocast
from chefgenius.config import Precision

IGNORED = -100
"""label of a position that does not count"""


class TokenLoss(nn.Module):
    """One micro-batch's loss; a call runs the forward pass."""

    def __init__(self, model: PreTrainedModel, precision: Precision = "float32") -> None:
        super().__init__()
        self.model = model
        self.precision = precision

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Sum of the cross-entropies of the target tokens: a float32 scalar on the model's device.

        `input_ids`, `attention_mask` [batch, source] and `labels` [batch, target], int64, may lie on the CPU.
        """
        model = self.model
        device = model.device
        ids, mask, labels = (
            batch[name].to(device, non_blocking=True) for name in ("input_ids", "attention_mask", "labels")
        )
        with autocast(device, self.precision):
            logits: Tensor = model(
                input_ids=ids,
                attention_mask=mask,
                decoder_input_ids=shift_right(
                    labels, model.config.decoder_start_token_id, model.config.pad_token_id
                ),
                use_cache=False,
            ).logits
        # [batch, target, vocabulary] -> [batch * target, vocabulary]
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )


def shift_right(labels: Tensor, start: int, pad: int) -> Tensor:
    """Decoder inputs [batch, length] int64: labels a place later, `start` first, ignored places as `pad`."""
    shifted = labels.new_empty(labels.shape)
    shifted[:, 0] = start
    shifted[:, 1:] = labels[:, :-1]
    return shifted.masked_fill_(shifted == IGNORED, pad)
