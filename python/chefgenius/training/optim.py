"""The optimizers, and their state by parameter name.

1. `build_optimizer` groups the parameters: norms and biases do not decay. All three kinds take their learning
   rate from outside, so that it stays a closed form of the step.
2. `state_tensors` names every entry of the optimizer's state `<parameter>/<key>`, the parts of a quantised
   one `<parameter>/<key>/<part>`; `load_state_tensors` checks and copies them back. torch's own
   `load_state_dict` would go by position and cast to the parameter's type.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers.optimization import Adafactor

from chefgenius.run.state import ResumeError, State
from chefgenius.settings.config import ConfigError, OptimConfig, OptimizerKind
from chefgenius.training.tensors import alike, whole

Entries = dict[str, tuple[torch.dtype, tuple[int, ...]]]
"""dtype and shape by key"""

_KINDS: dict[str, OptimizerKind] = {"AdamW": "adamw", "Adafactor": "adafactor", "AdamW8bit": "adamw8bit"}
"""by the name of the class"""
_MOMENTS = {"exp_avg": True, "exp_avg_sq": False}
"""of AdamW, and whether each has a sign"""
_BLOCK = 256
"""numbers that share a scale in torchao's 8-bit state; the codes are as many"""
_LEAST = 4096
"""tensors with fewer numbers stay float32 in torchao"""


def build_optimizer(model: nn.Module, settings: OptimConfig) -> torch.optim.Optimizer:
    """The optimizer of the trained parameters; those with one dimension and all biases do not decay.

    Adafactor has neither first moment nor relative steps: its learning rate is the one that is set. Raises
    ConfigError when `optim.kind` needs what is not there.
    """
    decayed: list[nn.Parameter] = []
    bare: list[nn.Parameter] = []
    for name, parameter in trained_parameters(model).items():
        (bare if parameter.ndim < 2 or "bias" in name else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": bare, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    if settings.kind == "adafactor":
        return Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False)  # type: ignore[no-untyped-call]
    if settings.kind == "adamw8bit":
        _refuse_without_cuda({parameter.device.type for parameter in decayed + bare})
        make = import_module("torchao.optim").AdamW8bit  # takes seconds: only where it is used
        made: torch.optim.Optimizer = make(groups, lr=rate, betas=settings.betas, eps=settings.eps)
        return made
    return torch.optim.AdamW(groups, lr=rate, betas=settings.betas, eps=settings.eps, fused=True)


def _refuse_without_cuda(devices: set[str]) -> None:
    if devices != {"cuda"}:
        raise ConfigError(
            "`optim.kind`: `adamw8bit` needs a CUDA device, the model lives on "
            f"`{', '.join(sorted(devices))}`: use `adamw` or `adafactor`"
        )
    if find_spec("torchao") is None:
        raise ConfigError(
            "`optim.kind`: `adamw8bit` needs torchao, which is not installed: install the extra `cuda`, as "
            "in `pip install chefgenius[cuda]`, or use `adamw` or `adafactor`"
        )


def kind_of(optimizer: torch.optim.Optimizer) -> OptimizerKind:
    """What `optim.kind` makes such an optimizer. Raises ConfigError for one whose state is not known."""
    name = type(optimizer).__name__
    if name not in _KINDS or optimizer.defaults.get("amsgrad"):
        told = f"{name} with `amsgrad`" if name in _KINDS else f"`{name}`"
        raise ConfigError(f"the state of {told} is not restored: use one of {', '.join(sorted(_KINDS))}")
    return _KINDS[name]


def refuse_unrestorable(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raises ConfigError where the optimizer's state, once saved, could not be restored."""
    kind_of(optimizer)
    for name, parameter in trained_parameters(model).items():
        if parameter.dtype != torch.float32:
            raise ConfigError(
                f"`{name}` is trained in {parameter.dtype}, whose small updates are lost: keep it in float32 "
                "(`model.float()`, then make the optimizer) and compute under torch.autocast"
            )


def clip_gradients(parameters: list[nn.Parameter], max_norm: float | None) -> Tensor:
    """Scales the gradients down to `max_norm` over all of them; returns the norm before, a float32 scalar."""
    norm = nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return whole(norm)


def unscale_gradients(parameters: list[nn.Parameter], scale: float) -> None:
    """Divides the gradients by the scale of the loss that they are of."""
    if scale != 1.0:
        torch._foreach_mul_([one.grad for one in parameters if one.grad is not None], 1 / scale)


def entries(kind: OptimizerKind, parameter: nn.Parameter) -> Entries:
    """What the optimizer keeps of a float32 parameter after its first update, as `state_tensors` names it."""
    shape, plain = tuple(parameter.shape), torch.float32
    if kind == "adafactor":
        own: Entries = {"step": (torch.int64, ()), "RMS": (plain, ())}
        if len(shape) < 2:
            return {**own, "exp_avg_sq": (plain, shape)}
        columns = (*shape[:-2], shape[-1])
        return {**own, "exp_avg_sq_row": (plain, shape[:-1]), "exp_avg_sq_col": (plain, columns)}
    own = {"step": (plain, ())}
    for key in _MOMENTS:
        if kind == "adamw8bit" and _is_quantised(parameter):
            own[f"{key}/codes"] = torch.uint8, shape
            own[f"{key}/scale"] = plain, (parameter.numel() // _BLOCK,)
            own[f"{key}/qmap"] = plain, (_BLOCK,)
        else:
            own[key] = plain, shape
    return own


def state_bytes(model: nn.Module, kind: OptimizerKind) -> int:
    """What the optimizer's state takes from the first update on."""
    kept = (entries(kind, one).values() for one in trained_parameters(model).values())
    return sum(dtype.itemsize * torch.Size(shape).numel() for own in kept for dtype, shape in own)


def _is_quantised(parameter: nn.Parameter) -> bool:
    return parameter.numel() >= _LEAST and parameter.numel() % _BLOCK == 0


def state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every entry of the optimizer's state under its name; empty before the first step.

    No copies, but of what is no tensor: a count is int64.
    """
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in _flat(optimizer.state.get(parameter, {}))
    }


def _flat(state: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for key, value in state.items():
        if not isinstance(value, Tensor):
            yield key, torch.tensor(value)
        elif hasattr(value, "__tensor_flatten__") and not isinstance(value, DTensor):
            for part in value.__tensor_flatten__()[0]:
                yield f"{key}/{part}", getattr(value, part)
        else:
            yield key, value


def describe(trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    """The section `optimizer` of state.json: its kind, and the trained parameters that have no state.

    These are all of them before the first step, and later only those that never got a gradient.
    """
    stateless = [name for name, one in trained.items() if one not in optimizer.state]
    return {"kind": kind_of(optimizer), "stateless": stateless}


def load_state_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, saved: dict[str, Tensor], described: State
) -> None:
    """Sets the optimizer's state to what `state_tensors` and `describe` gave.

    Entries that exist already keep their memory. Raises ResumeError when the kind, a parameter, an entry, a
    shape or a dtype is not what this model and optimizer need, and changes nothing then.
    """
    own = kind_of(optimizer)
    kind, stateless = described.get("kind"), described.get("stateless")
    if kind != own:
        raise ResumeError(f"the saved optimizer is `{kind}`, here it is `{own}`: use the saved one")
    if not isinstance(stateless, list) or not all(isinstance(name, str) for name in stateless):
        raise ResumeError(
            "section `optimizer` of the saved state lacks the list `stateless`: use another checkpoint"
        )
    trained = {name: one for name, one in trained_parameters(model).items() if name not in set(stateless)}
    expected = {
        f"{name}/{key}": needed for name, one in trained.items() for key, needed in entries(own, one).items()
    }
    if set(saved) != set(expected):
        missing, unknown = sorted(set(expected) - set(saved)), sorted(set(saved) - set(expected))
        told = [f"lacks {len(missing)} entries, such as `{missing[0]}`"] if missing else []
        told += [f"has {len(unknown)} entries too many, such as `{unknown[0]}`"] if unknown else []
        raise ResumeError(f"the saved optimizer {' and '.join(told)}: go on with the model that was saved")
    for entry, value in saved.items():
        dtype, shape = expected[entry]
        if tuple(value.shape) != shape or value.dtype != dtype:
            raise ResumeError(
                f"the saved optimizer entry `{entry}` is {value.dtype} {list(value.shape)}, "
                f"needed is {dtype} {list(shape)}: go on with the model that was saved"
            )
    for name, parameter in trained.items():
        _put(own, optimizer.state[parameter], parameter, name, saved)


def _put(
    kind: OptimizerKind, state: dict[str, Any], parameter: nn.Parameter, name: str, saved: dict[str, Tensor]
) -> None:
    """Copies the checked entries of one parameter into its state."""
    for key in entries(kind, parameter):
        value, (own, _, part) = saved[f"{name}/{key}"], key.partition("/")
        if part:
            if own not in state:
                state[own] = _zeros_8bit(parameter, signed=_MOMENTS[own])
            getattr(state[own], part).copy_(value)
        elif kind == "adafactor" and key == "step":
            state[key] = int(value)
        elif isinstance(state.get(key), Tensor):
            state[key].copy_(alike(value, state[key]))
        else:  # torchao counts on the host
            on_host = kind == "adamw8bit" and key == "step"
            share = alike(value, parameter if value.shape else value)
            state[key] = share.to("cpu" if on_host else parameter.device, copy=True)


def _zeros_8bit(parameter: nn.Parameter, *, signed: bool) -> Any:
    make = import_module("torchao.optim.subclass_8bit").OptimState8bit
    return make.zeros(parameter.shape, signed, _BLOCK, parameter.device, parameter.dtype)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that get gradients, by name."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}
