"""What is tried of a model before it is trained, since kinds of models do not say it of themselves.

1. A causal model must not look ahead: one that does would be shown what it is asked for.
2. Learned positions are a table, which the longest row must not reach out of.
3. With `data.plan=packed` records that share a row must not see one another.

Each is tried with a few ids; the loss finds out in its own way what it needs of the last layer (`head`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from chefgenius.model.head import head_of, looking, trial_batch, whole_logits
from chefgenius.model.inputs import IGNORED, encoder_sees, forward_of
from chefgenius.run.state import one_line
from chefgenius.settings.config import Config, ConfigError

NOISE = 1e-5
"""in parts of the largest logit: what the order of sums does in float32"""
ALIKE = 0.02
"""in parts of what seeing one another does"""
_FLAG = "gradient_checkpointing"
_TABLES = ("wpe", "embed_positions", "position_embeddings")
"""what transformers calls the embeddings of positions"""


def fit_for(model: PreTrainedModel, config: Config) -> None:
    """Tries the model, and gives it what the settings ask for. Raises ConfigError where that cannot be.

    To be called before the model is wrapped in anything.
    """
    prove(model, config)
    if config.train.activation_checkpointing:
        checkpoint_activations(model)


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Has the layers computed again in the backward pass, with the random numbers of the first time.

    Raises ConfigError for a kind of model that cannot.
    """
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"`train.activation_checkpointing`: not with a model of the kind "
            f"`{model.config.model_type}`: {one_line(error)}: leave it out"
        ) from error
    for module in model.modules():
        if not isinstance(module, GradientCheckpointingLayer | PreTrainedModel) and hasattr(module, _FLAG):
            setattr(module, _FLAG, False)  # else T5 wants gradients of its masks: none compiles that


def prove(model: PreTrainedModel, config: Config) -> None:
    """Raises ConfigError where this model cannot be trained as `config` says."""
    precision, kind = config.train.precision, model.config.model_type
    attention = str(model.config._attn_implementation)
    if "flash" in attention and precision == "float32":
        raise ConfigError(
            f"`train.precision`: `{attention}` has no float32: set `train.precision=bf16`, or "
            "`model.attention=sdpa`"
        )
    head_of(model, precision)
    if "flash" in attention:
        model.set_attn_implementation("sdpa")  # what is tried is of the kind, and needs float32
    try:
        with looking(model, "float32"):
            if not model.config.is_encoder_decoder and _looks_ahead(model):
                raise ConfigError(
                    f"the model is of the kind `{kind}`, which looks ahead and cannot write: "
                    "use an encoder-decoder such as T5 or a causal model such as GPT-2"
                )
            _check_places(model, config)
            if config.data.plan == "packed":
                _check_packed(model, config)
    finally:
        if "flash" in attention:
            model.set_attn_implementation(attention)


def _check_places(model: PreTrainedModel, config: Config) -> None:
    """Raises ConfigError for a row that learned positions end before."""
    data, judge, causal = config.data, config.eval, not model.config.is_encoder_decoder
    begin = data.max_input_length if causal else 0  # of a causal row, which the text goes on
    prompts = {"data.max_input_length": data.max_input_length}
    texts = {"data.max_target_length": begin + data.max_target_length}
    if judge.every_steps and (judge.prompts or judge.samples):
        texts["eval.max_new_tokens"] = begin + judge.max_new_tokens
    for name, module in model.named_modules():
        if not isinstance(module, nn.Embedding) or not name.endswith(_TABLES):
            continue
        padding = -1 if module.padding_idx is None else module.padding_idx
        places = module.num_embeddings - getattr(module, "offset", padding + 1)
        side = prompts if "encoder." in name else texts
        for key, longest in (prompts | texts if causal else side).items():
            if longest > places:
                told = " of prompt and text" if begin and key in texts else ""
                raise ConfigError(
                    f"`{key}`: rows of up to {longest:,} tokens{told}, and this "
                    f"`{model.config.model_type}` has {places:,} learned positions: lower it"
                )


def _check_packed(model: PreTrainedModel, config: Config) -> None:
    kind, longest = model.config.model_type, config.data.max_input_length + config.data.max_target_length
    window = getattr(model.config, "sliding_window", None)
    if isinstance(window, int) and window < longest:
        raise ConfigError(
            f"`data.plan=packed`: the attention of this `{kind}` reaches {window} places back, records are "
            f"up to {longest} long: use `data.plan=bucketed`"
        )
    try:
        apart = keeps_records_apart(model)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:  # of masks and places it does not know
        raise ConfigError(
            f"`data.plan=packed`: a model of the kind `{kind}` cannot be tried with a packed row: "
            f"{one_line(error)}: use `data.plan=bucketed`"
        ) from error
    if not apart:
        raise ConfigError(
            f"`data.plan=packed`: a model of the kind `{kind}` counts places from the start of a row or "
            "mixes records in another way: use `data.plan=bucketed`"
        )


def _looks_ahead(model: PreTrainedModel) -> bool:
    batch = trial_batch(_vocabulary(model))
    other = {name: tensor.clone() for name, tensor in batch.items()}
    other["input_ids"][:, -1] = (other["input_ids"][:, -1] + 1) % _vocabulary(model)
    one, two = (model(input_ids=each["input_ids"]).logits[:, :-1] for each in (batch, other))
    return not bool((one - two).abs().max() <= NOISE * one.abs().max())


def keeps_records_apart(model: PreTrainedModel) -> bool:
    """Whether two records in one row get the logits that each gets alone."""
    batch, alone = _pair(_vocabulary(model))
    expected = torch.cat([whole_logits(model, forward_of(model, one)) for one in alone])
    forward = forward_of(model, batch)
    with encoder_sees(model, forward.encoder_mask):
        packed = whole_logits(model, forward)
    mixed = whole_logits(model, forward_of(model, _mixed(batch)))
    apart, together = ((found - expected).abs().max() for found in (packed, mixed))
    return bool(apart <= ALIKE * together + NOISE * expected.abs().max())


def _pair(vocabulary: int) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """A packed row of two records and padding, in the layout of either kind, and the records alone."""
    lengths, alone, begin = (3, 5), [], 0
    for length in lengths:
        ids = torch.arange(begin, begin + length)[None] % vocabulary
        labels = torch.cat([torch.tensor([[IGNORED]]), ids[:, 1:]], dim=1)
        alone.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
        begin += length

    def row(parts: list[Tensor], fill: int) -> Tensor:
        return functional.pad(torch.cat(parts), (0, 2), value=fill)[None]

    segments = row([torch.full((length,), number) for number, length in enumerate(lengths, 1)], 0)
    positions = row([torch.arange(length) for length in lengths], 0)
    batch = {name: row([one[name][0] for one in alone], 0) for name in ("input_ids", "attention_mask")}
    batch["labels"] = row([one["labels"][0] for one in alone], IGNORED)
    for side in ("", "decoder_"):
        batch |= {f"{side}segment_ids": segments, f"{side}position_ids": positions}
    return batch, alone


def _mixed(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same row as if it were of one record."""
    return {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}


def _vocabulary(model: PreTrainedModel) -> int:
    vocabulary: int = model.config.get_text_config().vocab_size
    return vocabulary
