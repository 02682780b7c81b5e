"""The tensors of a checkpoint: which they are, and how they come back.

`load_tensors` copies those of a verified checkpoint into the parameters' and the optimizer's own memory.
"""

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from chefgenius.base import ADAPTER
from chefgenius.lora import adapter_tensors, is_adapted
from chefgenius.model import named_tensors
from chefgenius.optim import load_state_tensors, state_bytes
from chefgenius.resume import Origin
from chefgenius.state import ResumeError
from chefgenius.tensors import alike, read_tensors

MODEL, OPTIMIZER = "model.safetensors", "optim.safetensors"


def saved_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of a model by the names in its file: an adapter alone, or all. No copies."""
    return adapter_tensors(model) if is_adapted(model) else named_tensors(model)


def weights_file(model: PreTrainedModel) -> str:
    """The file of a checkpoint that holds `saved_tensors`."""
    return ADAPTER if is_adapted(model) else MODEL


def checkpoint_bytes(model: PreTrainedModel) -> int:
    """About how large a checkpoint is: weights, the optimizer's state, 1 MB for the rest."""
    weights = sum(one.nbytes for one in saved_tensors(model).values())
    return weights + state_bytes(model) + 10**6


def load_tensors(origin: Origin, model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    """Copies weights and optimizer state of a verified checkpoint into place.

    Raises ResumeError, before anything is changed, when a name, shape or dtype is not that of this model.
    """
    place, own = origin.directory / weights_file(model), saved_tensors(model)
    try:
        weights = read_tensors(place)
        state = read_tensors(origin.directory / OPTIMIZER)
        described = origin.sections["optimizer"]
    except (OSError, SafetensorError) as error:
        raise ResumeError(
            f"cannot read the tensors of `{origin.directory}`: {error}: use another checkpoint"
        ) from error
    except KeyError as error:
        raise ResumeError(
            f"`{origin.directory}` has a state without section `optimizer`: use another checkpoint"
        ) from error
    if set(weights) != set(own):
        odd = sorted(set(weights) ^ set(own))
        raise ResumeError(
            f"`{place}` is of another model: {len(odd)} parameters stand on one side "
            f"only, such as `{odd[0]}`: set `model` back to what was saved"
        )
    for name, tensor in own.items():
        saved = weights[name]
        if saved.shape != tensor.shape or saved.dtype != tensor.dtype:
            raise ResumeError(
                f"`{place}` is of another model: `{name}` is {saved.dtype} "
                f"{list(saved.shape)}, here {tensor.dtype} {list(tensor.shape)}: "
                "set `model` back to what was saved"
            )
    load_state_tensors(model, optimizer, state, described)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(alike(weights[name], tensor))
