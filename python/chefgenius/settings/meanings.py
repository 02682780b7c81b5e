"""What it means for a run when a setting, or a fact of machine and data, is not the saved one.

`MEANINGS` puts every key of the configuration and every fact into one of three classes, with the reason:
identity (other words: never), exactness (the same run would compute other bits: only when allowed by name),
free (told). `allowed_names` reads what `--allow-change` names.

Nothing here imports torch.
"""

import difflib
from dataclasses import dataclass
from enum import StrEnum

from chefgenius.settings.config import ConfigError


class Kind(StrEnum):
    """What a difference means for the run."""

    IDENTITY = "identity"
    EXACTNESS = "exactness"
    FREE = "free"


@dataclass(frozen=True)
class Meaning:
    """The class of a name, and why it is of that class."""

    kind: Kind
    reason: str


GROUPS = (
    "data.plan",
    "data.batch_size",
    "data.batch_tokens",
    "data.weights",
    "data.separator",
    "data.loss_on",
    "data.max_input_length",
    "data.max_target_length",
    "train.gradient_accumulation_steps",
    "plan",
)
"""other batches of the same recipes: an epoch that was begun can be finished with the saved plan"""

_NEXT = "goes on at the start of the next epoch"
_TABLE: tuple[tuple[Kind, str, tuple[str, ...]], ...] = (
    (Kind.IDENTITY, "the ids would mean other words", ("tokenizer",)),
    (Kind.IDENTITY, "the adapter belongs to the weights that it was trained on", ("base",)),
    (Kind.IDENTITY, "an adapter of other shapes, or none", ("model.lora.rank",)),
    (Kind.EXACTNESS, f"other recipes; {_NEXT}", ("store",)),
    (Kind.EXACTNESS, f"another order, other dropout; {_NEXT}", ("seed",)),
    (
        Kind.EXACTNESS,
        f"other recipes are held out or left out; {_NEXT}",
        ("data.validation_fraction", "data.split_seed", "data.min_quality"),
    ),
    (
        Kind.EXACTNESS,
        "other batches; the epoch is finished with the saved ones where they are kept",
        GROUPS,
    ),
    (
        Kind.EXACTNESS,
        "another model; one with other tensors is never taken",
        ("model.config", "model.lora.alpha", "model.lora.dropout", "model.lora.target_modules"),
    ),
    (
        Kind.EXACTNESS,
        "other updates from the same gradients",
        (
            "train.label_smoothing",
            "optim.kind",
            "optim.weight_decay",
            "optim.betas",
            "optim.eps",
            "optim.max_grad_norm",
        ),
    ),
    (Kind.EXACTNESS, "another average of the same weights", ("train.ema_decay",)),
    (
        Kind.EXACTNESS,
        "other rounding of the same sums",
        (
            "train.precision",
            "train.activation_checkpointing",
            "train.compile",
            "train.sharding",
            "threads",
            "rows_per_forward",
            "strict",
            "device",
            "attention",
            "torch",
            "transformers",
            "peft",
            "compiler",
            "world_size",
        ),
    ),
    (
        Kind.FREE,
        "where files lie; what is in them is compared as `store` and `plan`",
        (
            "run_dir",
            "data.sources",
            "data.store",
            "data.columns",
            "data.tokenizer",
            "data.template.prompt",
            "data.template.target",
            "data.validation_sources",
            "data.on_error",
            "data.max_bad",
            "data.cache_dir",
            "model.name_or_path",
            "model.trust_remote_code",
        ),
    ),
    (Kind.EXACTNESS, "other recipes are left out from here on", ("tombstones",)),
    (Kind.FREE, "what is in the file is compared as `tombstones`", ("data.tombstones",)),
    (Kind.FREE, "what is done about a loss that is not finite", ("train.on_nonfinite",)),
    (Kind.FREE, "changes nothing but speed", ("data.prefetch", "data.threads")),
    (
        Kind.FREE,
        "what follows from it is compared as a fact",
        (
            "model.attention",
            "train.device",
            "train.determinism",
            "train.threads",
            "train.rows_per_forward",
        ),
    ),
    (
        Kind.FREE,
        "takes effect from here on",
        (
            "optim.learning_rate",
            "optim.warmup_steps",
            "optim.schedule",
            "optim.decay_share",
            "optim.min_learning_rate_ratio",
            "train.epochs",
            "train.max_steps",
            "eval.early_stopping.metric",
            "eval.early_stopping.patience",
            "eval.early_stopping.min_delta",
        ),
    ),
    (
        Kind.FREE,
        "when the run is saved, and what is kept",
        (
            "checkpoint.every_steps",
            "checkpoint.every_minutes",
            "checkpoint.keep",
            "checkpoint.keep_best",
            "checkpoint.keep_every_steps",
        ),
    ),
    (
        Kind.FREE,
        "looking at a run does not change it",
        (
            "eval.every_steps",
            "eval.max_batches",
            "eval.prompts",
            "eval.samples",
            "eval.max_new_tokens",
            "eval.use_ema",
            "eval.metrics",
            "eval.best_metric",
            "log.every_steps",
            "log.console",
            "log.report",
            "log.tensorboard",
            "log.wandb",
            "log.wandb_project",
            "log.webhook",
            "log.system_every_seconds",
        ),
    ),
)

MEANINGS: dict[str, Meaning] = {
    name: Meaning(kind, reason) for kind, reason, names in _TABLE for name in names
}
"""every key of the configuration and every fact, in the order in which differences are told"""

ORDER = ("store", "seed", "data.validation_fraction", "data.split_seed", "data.min_quality")
"""other recipes or another order of them: what is left of the saved epoch has no meaning any more"""


def allowed_names(text: str) -> frozenset[str]:
    """The names in `threads,data.batch_size`, as in `MEANINGS`; the last part of a key does.

    Raises ConfigError for an unknown one, with the nearest, and for one that can never be allowed.
    """
    names: set[str] = set()
    for word in (part.strip() for part in text.split(",")):
        if not word:
            raise ConfigError(
                f"command line: `--allow-change`: a name is empty in `{text}`: give some as in `seed,threads`"
            )
        found = [name for name in MEANINGS if word in (name, name.rpartition(".")[2])]
        exact = [name for name in found if MEANINGS[name].kind is Kind.EXACTNESS]
        if not found:
            raise ConfigError(f"command line: `--allow-change`: unknown name `{word}`: {_nearest(word)}")
        if any(MEANINGS[name].kind is Kind.IDENTITY for name in found):
            raise ConfigError(
                f"command line: `--allow-change`: `{word}` can never change, "
                f"{MEANINGS[found[0]].reason}: begin a run of its own"
            )
        names.update(exact or found)
    return frozenset(names)


def _nearest(word: str) -> str:
    exact = [name for name, meaning in MEANINGS.items() if meaning.kind is Kind.EXACTNESS]
    by_last = {name.rpartition(".")[2]: name for name in exact}
    near = difflib.get_close_matches(word, exact, n=1, cutoff=0.6)
    near = near or [by_last[one] for one in difflib.get_close_matches(word, by_last, n=1, cutoff=0.6)]
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(exact)}"
