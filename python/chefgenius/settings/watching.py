"""What a run is told of being saved, judged and logged: sections of the configuration.

`config` puts them beside the others. Nothing here imports torch.
"""

import difflib
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from chefgenius.settings.measures import MEASURES, Group, of_texts
from chefgenius.settings.section import Section, as_list

Groups = Annotated[tuple[Group, ...], BeforeValidator(as_list), Field(strict=False)]


class CheckpointConfig(Section):
    """When the run is saved, and what is kept."""

    every_steps: int = Field(default=250, ge=1)
    """a checkpoint every so many steps; the first, the last and each best boundary are saved besides"""

    every_minutes: float | None = Field(default=15, gt=0)
    """a checkpoint also when the last one is so many minutes old; none: steps alone decide"""

    keep: int = Field(default=2, ge=2)
    """newest checkpoints that are kept, besides those below and the pinned"""

    keep_best: int = Field(default=1, ge=1)
    """checkpoints of the best evaluations, by `eval.best_metric`, that are kept"""

    keep_every_steps: int | None = Field(default=None, ge=1)
    """checkpoints whose step is a multiple of this are kept for good; none: no such"""


class EarlyStoppingConfig(Section):
    """When a run ends before its last step."""

    metric: str | None = None
    """the run ends when this metric does not get better any more; none: it goes on to its last step"""

    patience: int = Field(default=3, ge=1)
    """evaluations in a row without a better value after which the run ends"""

    min_delta: float = Field(default=0.0, ge=0)
    """a value counts as better when it is so by more than this"""


class EvalConfig(Section):
    """How the model is judged on the records held out."""

    every_steps: int = Field(default=250, ge=0)
    """an evaluation every so many steps, besides one before and one after; 0: no evaluation at all"""

    max_batches: int | None = Field(default=None, ge=1)
    """validation batches that are read; none: all"""

    prompts: int = Field(default=50, ge=0, lt=2**31)
    """validation prompts for which recipes are generated and judged before and after the training"""

    samples: int = Field(default=3, ge=0, lt=2**31)
    """of these, how many are generated at every evaluation and shown at the end"""

    max_new_tokens: int = Field(default=160, ge=1)
    """length at which generation stops"""

    use_ema: bool = False
    """judge the running average of the weights, which `train.ema_decay` keeps, instead of the weights"""

    metrics: Groups = ("recipe",)
    """what texts are judged by: recipe, bleu, chrf, rouge; the last three need `chefgenius[metrics]`"""

    best_metric: str = "validation_loss"
    """metric by which an evaluation is the best; of texts: `eval.prompts` are generated each time"""

    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()

    @property
    def decides_by_texts(self) -> bool:
        """Whether the best checkpoint or the end of the run depends on generated texts."""
        return any(name is not None and of_texts(name) for name in self._deciding.values())

    @property
    def _deciding(self) -> dict[str, str | None]:
        return {
            "eval.best_metric": self.best_metric,
            "eval.early_stopping.metric": self.early_stopping.metric,
        }

    @model_validator(mode="after")
    def _what_decides_is_there(self) -> Self:
        for key, name in self._deciding.items():
            if name is None:
                continue
            if name not in MEASURES:
                near = difflib.get_close_matches(name, MEASURES, n=1)
                known = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(MEASURES)}"
                raise ValueError(f"`{key}`: unknown metric `{name}`: {known}")
            group = MEASURES[name].group
            if group is not None and group not in self.metrics:
                raise ValueError(
                    f"`{key}` is `{name}`, which nothing computes: add `{group}` to `eval.metrics`"
                )
            if group is not None and not self.prompts:
                raise ValueError(f"`{key}` is `{name}`, of generated texts: raise `eval.prompts` above 0")
        if self.early_stopping.metric is not None and not self.every_steps:
            raise ValueError("`eval.early_stopping` needs evaluations: raise `eval.every_steps` above 0")
        return self


class LogConfig(Section):
    """What is written down along the way."""

    every_steps: int = Field(default=10, ge=1)
    """a line in metrics.jsonl and timing.jsonl every so many steps, and of the first and the last"""

    console: Literal["auto", "json"] = "auto"
    """what the command prints: lines for a person (a bar in a terminal), or one JSON object a line"""

    report: bool = True
    """report.html in the run directory, written now and then by a process of its own, and at the end"""

    tensorboard: bool = False
    """curves in `tensorboard` beside the logs; needs `chefgenius[track]`, like `log.wandb`"""

    wandb: Literal["off", "offline", "online"] = "off"
    """a run in Weights & Biases; offline: in files beside the run, for `wandb sync`"""

    wandb_project: str = "chefgenius"
    """its project there"""

    webhook: str | None = None
    """address that gets start, evaluations, checkpoints and end as JSON; $NAME: that of the environment"""

    system_every_seconds: float | None = Field(default=None, gt=0)
    """use of processor, memory, disk and GPU, a line in system.jsonl every so many seconds; none: never"""
