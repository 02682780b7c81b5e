"""What tensors a checkpoint holds, and how they come back.

1. `saved_tensors` are those of the model; the averages of the weights, if there are any, stand in a file of
   their own under the same names. `optim.state_tensors` are those of the optimizer.
2. `load_tensors` copies a verified checkpoint's tensors into the own memory of parameters, optimizer and
   averages; `copy_weights` one file of weights alone.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel

from chefgenius.model.lora import adapter_tensors, is_adapted
from chefgenius.model.model import named_tensors
from chefgenius.run.base import ADAPTER, AVERAGES
from chefgenius.run.resume import Origin
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import Config
from chefgenius.training.ema import Averages
from chefgenius.training.optim import kind_of, load_state_tensors, state_bytes
from chefgenius.training.tensors import alike, read_tensors

MODEL, OPTIMIZER = "model.safetensors", "optim.safetensors"


def saved_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """What a checkpoint holds of a model by the names in its file: an adapter alone, or all. No copies."""
    return adapter_tensors(model) if is_adapted(model) else named_tensors(model)


def weights_file(model: PreTrainedModel) -> str:
    """The file of a checkpoint that holds `saved_tensors`."""
    return ADAPTER if is_adapted(model) else MODEL


def checkpoint_bytes(model: PreTrainedModel, config: Config) -> int:
    """About how large a checkpoint is: weights, averages, the optimizer's state, 1 MB for the rest."""
    weights = sum(one.nbytes for one in saved_tensors(model).values())
    copies = 1 if config.train.ema_decay is None else 2
    return copies * weights + state_bytes(model, config.optim.kind) + 10**6


def load_tensors(
    origin: Origin,
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    averages: Averages | None = None,
    *,
    allowed: frozenset[str] = frozenset(),
) -> None:
    """Copies weights, optimizer state and averages of a verified checkpoint into place.

    `allowed` names the keys that may differ from the saved ones: with `optim.kind` the state of another
    optimizer is left out, with `train.ema_decay` averages that are not saved begin as the weights are. Raises
    ResumeError, before anything is changed, when a name, shape or dtype is not that of this model.
    """
    own = saved_tensors(model)
    weights = _fitting(origin.directory / weights_file(model), own)
    means: dict[str, Tensor] = weights
    if averages is not None and (AVERAGES in origin.manifest.files or "train.ema_decay" not in allowed):
        means = _fitting(origin.directory / AVERAGES, own)
    described = origin.sections.get("optimizer")
    if described is None:
        raise ResumeError(
            f"`{origin.directory}` has a state without section `optimizer`: use another checkpoint"
        )
    if described.get("kind") == kind_of(optimizer) or "optim.kind" not in allowed:
        load_state_tensors(model, optimizer, _read(origin.directory / OPTIMIZER), described)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(alike(weights[name], tensor))
        if averages is not None:
            for name, tensor in averages.over(own).items():
                if tensor is not own[name]:
                    tensor.copy_(alike(means[name], tensor))


def copy_weights(place: Path, model: PreTrainedModel) -> None:
    """Copies the weights in one file of a verified checkpoint into a model. Raises ResumeError."""
    own = saved_tensors(model)
    weights = _fitting(place, own)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(alike(weights[name], tensor))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(path)
    except (OSError, SafetensorError) as error:
        raise ResumeError(
            f"cannot read the tensors of `{path.parent}`: {error}: use another checkpoint"
        ) from error


def _fitting(place: Path, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, which must have the names, shapes and dtypes of `own`."""
    weights = _read(place)
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
    return weights
