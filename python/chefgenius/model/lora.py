"""LoRA: the model's own weights stay as they are, small matrices beside them are trained. Through peft.

1. `choose_base` finds the weights that stay; `refuse_other_base` holds them against those of a checkpoint.
2. `add_adapter` puts the matrices into the model, which stays the model it was for everything else: it is
   called, evaluated and generates as before.
3. `adapter_tensors` and `adapter_files` are what a checkpoint holds of it, in the names and the layout that
   peft's `PeftModel.from_pretrained` opens.

Nothing of peft's own reading or writing is used: it would ask the hub, and can unpickle.
"""

from importlib.metadata import version
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from chefgenius.model.generators import isolated
from chefgenius.run.base import ADAPTER_CONFIGURATION, Base, find_base
from chefgenius.run.differences import compare
from chefgenius.run.manifest import to_json
from chefgenius.run.resume import Origin
from chefgenius.run.state import one_line
from chefgenius.settings.config import Config, ConfigError, LoraConfig, ModelConfig, flatten

_NAME = "default"
"""peft's name of the one adapter; files do not have it"""
_LAYERS = (nn.Linear, Conv1D)


def peft_version() -> str:
    """The version of peft. Raises ConfigError without it."""
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            "`model.lora.rank` needs peft: install it with `pip install chefgenius[lora]`"
        ) from error
    return version(peft.__name__)


def choose_base(settings: ModelConfig) -> Base | None:
    """The weights that an adapter is to be trained on; None where the whole model is trained.

    Raises ConfigError without peft, and for a model that has nothing to keep.
    """
    rank = settings.lora.rank
    if rank is None:
        return None
    if settings.name_or_path is None:
        raise ConfigError(
            f"`model.lora.rank` is {rank}, and the model is a new one, whose weights would stay at random: "
            "give `model.name_or_path` or `--init-from`, or leave `model.lora` out"
        )
    peft_version()
    return find_base(settings.name_or_path)


def base_facts(base: Base | None) -> dict[str, str | None]:
    """What a run's facts say of its adapter."""
    fingerprint, peft = (None, None) if base is None else (base.fingerprint, peft_version())
    return {"base": fingerprint, "peft": peft}


def refuse_other_base(config: Config, base: Base | None, origin: Origin) -> None:
    """Raises ResumeError before a model is built that the checkpoint cannot be of."""
    names = ("model.lora.rank", "base", "model.name_or_path")
    here = flatten(config) | base_facts(base)
    saved = origin.sections["config"] | origin.sections["facts"]
    before = {"config": {name: saved.get(name) for name in names}, "facts": {}}
    compare(before, {name: here[name] for name in names}, {}).check(origin.directory, origin.step)


def add_adapter(model: PreTrainedModel, settings: LoraConfig, seed: int) -> None:
    """Gives the layers that the settings name an adapter and freezes everything else.

    New adapters change nothing that the model computes; their weights depend on `seed` alone. Raises
    ConfigError when a name fits no layer, or a layer that can have none.
    """
    peft_version()
    from peft import LoraConfig as Description
    from peft import inject_adapter_in_model

    assert settings.rank is not None
    names = _layers(model, _targets(model, settings.target_modules))
    transposed = {isinstance(model.get_submodule(name), Conv1D) for name in names}
    if len(transposed) > 1:
        raise _unfit(
            "layers that keep their weights transposed and layers that do not", "name one kind of them"
        )
    alpha: Any = _alpha(settings)  # any number will do, whatever peft's annotation says
    description = Description(
        r=settings.rank,
        lora_alpha=alpha,
        lora_dropout=settings.dropout,
        target_modules=names,
        fan_in_fan_out=transposed.pop(),
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
    )
    try:
        with isolated(seed, "adapter", 0, 0):
            inject_adapter_in_model(description, model)
    except Exception as error:  # of a kind of layer that peft does not know
        raise _unfit(one_line(error), "name other layers") from error


def is_adapted(model: nn.Module) -> bool:
    """Whether the model has an adapter, so that a checkpoint holds that alone."""
    return hasattr(model, "peft_config")


def share_trained(model: PreTrainedModel) -> str:
    """How much of a model with an adapter is trained, for a person; nothing to say of another."""
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    return f" of which {trained:,} are trained" if is_adapted(model) else ""


def adapter_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """The adapter's weights under the names that peft gives them in a file."""
    return {
        f"base_model.model.{name.replace(f'.{_NAME}.', '.')}": one
        for name, one in model.named_parameters()
        if name.endswith((f".lora_A.{_NAME}.weight", f".lora_B.{_NAME}.weight"))
    }


def adapter_files(model: PreTrainedModel, settings: LoraConfig, base: Base) -> dict[str, bytes]:
    """adapter_config.json: what peft must know to put the weights where they belong."""
    one: Any = model.peft_config[_NAME]
    values = {
        "peft_type": "LORA",
        "task_type": one.task_type,
        "base_model_name_or_path": base.name,
        "r": settings.rank,
        "lora_alpha": _alpha(settings),
        "lora_dropout": settings.dropout,
        "target_modules": _short(model),
        "fan_in_fan_out": one.fan_in_fan_out,
        "bias": "none",
        "inference_mode": True,
        "peft_version": peft_version(),
    }
    return {ADAPTER_CONFIGURATION: to_json(values)}


def _alpha(settings: LoraConfig) -> float:
    alpha = 2 * settings.rank if settings.alpha is None and settings.rank is not None else settings.alpha
    assert alpha is not None
    return int(alpha) if float(alpha).is_integer() else alpha


def _targets(model: PreTrainedModel, targets: tuple[str, ...]) -> tuple[str, ...]:
    """The names that the settings mean; of `all-linear` those of all layers but the one that gives words."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

    if targets == ("all-linear",):
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        found = model.named_modules()
        return tuple(name for name, one in found if isinstance(one, _LAYERS) and one is not head)
    if targets != ("auto",):
        return targets
    kind = model.config.model_type
    if kind not in USUAL:
        raise _unfit(
            f"`auto`, and peft has no usual layers for the kind `{kind}`", "name some, or `all-linear`"
        )
    return tuple(USUAL[kind])


def _layers(model: PreTrainedModel, targets: tuple[str, ...]) -> list[str]:
    """The full names of the layers that are meant, each fit for an adapter."""
    modules = dict(model.named_modules())
    names: set[str] = set()
    for target in targets:
        found = [name for name in modules if f".{name}".endswith(f".{target}")]
        if not found:
            there = {name.rpartition(".")[2] for name, one in modules.items() if isinstance(one, _LAYERS)}
            raise _unfit(f"`{target}`, and no layer has this name", f"there are {', '.join(sorted(there))}")
        names.update(found)
    holders: dict[int, int] = {}
    for _, weight in model.named_parameters(remove_duplicate=False):
        holders[id(weight)] = holders.get(id(weight), 0) + 1
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    for name in sorted(names):
        layer = modules[name]
        if not isinstance(layer, _LAYERS):
            raise _unfit(f"`{name}`, which is no linear layer but `{type(layer).__name__}`", "leave it out")
        if holders[id(layer.weight)] > 1:
            raise _unfit(f"`{name}`, whose weights are those of another layer too", "leave it out")
        if layer is head:  # its product and the loss are computed in one, from its weights alone
            raise _unfit(f"`{name}`, which gives the words", "leave it out")
    return sorted(names)


def _short(model: PreTrainedModel) -> list[str]:
    """The adapted layers by the last part of their names where that says it all, else by whole names."""
    marked = ".base_layer"
    full = [name.removesuffix(marked) for name, _ in model.named_modules() if name.endswith(marked)]
    last = {name.rpartition(".")[2] for name in full}
    plain = {name.replace(marked, "") for name, _ in model.named_modules() if ".lora_" not in name}
    alike = {name for name in plain if name.rpartition(".")[2] in last}
    return sorted(last) if alike == set(full) else full


def _unfit(told: str, remedy: str) -> ConfigError:
    return ConfigError(f"`model.lora.target_modules` names {told}: {remedy}")
