"""The optimizer: AdamW in torch's fused form, its state by parameter name.

1. `build_optimizer` groups the parameters: norms and biases do not decay.
2. `state_tensors` names every entry of the optimizer's state `<parameter>/<key>`; `load_state_tensors` checks
   and copies them back. torch's own `load_state_dict` would go by position and cast to the parameter's type.
"""

import torch
from torch import Tensor, nn

from chefgenius.config import OptimConfig
from chefgenius.state import ResumeError, State
from chefgenius.tensors import alike, whole

KIND = "adamw"
ENTRIES = ("step", "exp_avg", "exp_avg_sq")
"""what AdamW keeps of each parameter"""


def build_optimizer(model: nn.Module, settings: OptimConfig) -> torch.optim.AdamW:
    """Fused AdamW over the trained parameters; those with one dimension and all biases do not decay."""
    decayed: list[nn.Parameter] = []
    bare: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (bare if parameter.ndim < 2 or "bias" in name else decayed).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": bare, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def clip_gradients(parameters: list[nn.Parameter], max_norm: float | None) -> Tensor:
    """Scales the gradients down to `max_norm` over all of them; returns the norm before, a float32 scalar."""
    norm = nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return whole(norm)


def state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every entry of the optimizer's state under `<parameter>/<key>`; empty before the first step.

    No copies.
    """
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def state_bytes(model: nn.Module) -> int:
    """About what the optimizer's state takes from the first update on."""
    return sum(8 * one.numel() for one in trained_parameters(model).values())


def describe(trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    """The section `optimizer` of state.json: its kind, and the trained parameters that have no state.

    These are all of them before the first step, and later only those that never got a gradient.
    """
    return {"kind": KIND, "stateless": [name for name, one in trained.items() if one not in optimizer.state]}


def load_state_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, saved: dict[str, Tensor], described: State
) -> None:
    """Sets the optimizer's state to what `state_tensors` and `describe` gave.

    Moments are float32 in the parameter's shape. Entries that exist already keep their memory. Raises
    ResumeError when the kind, a parameter, an entry, a shape or a dtype is not what this model needs, and
    changes nothing then.
    """
    kind, stateless = described.get("kind"), described.get("stateless")
    if kind != KIND:
        raise ResumeError(f"the saved optimizer is `{kind}`, here it is `{KIND}`: use the saved one")
    if not isinstance(stateless, list) or not all(isinstance(name, str) for name in stateless):
        raise ResumeError(
            "section `optimizer` of the saved state lacks the list `stateless`: use another checkpoint"
        )
    trained = trained_parameters(model)
    expected = {f"{name}/{key}" for name in set(trained) - set(stateless) for key in ENTRIES}
    if set(saved) != expected:
        missing, unknown = sorted(expected - set(saved)), sorted(set(saved) - expected)
        told = [f"lacks {len(missing)} entries, such as `{missing[0]}`"] if missing else []
        told += [f"has {len(unknown)} entries too many, such as `{unknown[0]}`"] if unknown else []
        raise ResumeError(f"the saved optimizer {' and '.join(told)}: go on with the model that was saved")
    for entry, value in saved.items():
        name, _, key = entry.rpartition("/")
        shape = () if key == "step" else tuple(trained[name].shape)
        if tuple(value.shape) != shape or value.dtype != torch.float32:
            raise ResumeError(
                f"the saved optimizer entry `{entry}` is {value.dtype} {list(value.shape)}, "
                f"needed is {torch.float32} {list(shape)}: go on with the model that was saved"
            )
    for entry, value in saved.items():
        name, _, key = entry.rpartition("/")
        own = optimizer.state[trained[name]]
        if key in own:
            own[key].copy_(alike(value, own[key]))
        else:
            like = trained[name] if value.shape else value
            own[key] = alike(value, like).to(trained[name].device, copy=True)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that get gradients, by name."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}
