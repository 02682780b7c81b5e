"""What a run is told: one frozen model per section, one line of meaning per key.

`options` fills these models from a file and the command line; this module only says what may stand there.
Nothing here imports torch, so that a mistake is answered at once.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from chefgenius.settings.reading import DataConfig as DataConfig
from chefgenius.settings.reading import TemplateConfig as TemplateConfig
from chefgenius.settings.section import Names, Section
from chefgenius.settings.watching import CheckpointConfig, EvalConfig, LogConfig

# What `model.config` is when neither it nor `model.name_or_path` is given.
SMALL_T5: dict[str, Any] = {
    "model_type": "t5",
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 256,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "dropout_rate": 0.0,
}
# Kinds of models that have its keys; single keys of another kind are laid over nothing.
T5_LIKE = ("t5", "mt5", "umt5", "longt5")
# Rows of a micro-batch when neither `data.batch_size` nor `data.batch_tokens` is given.
DEFAULT_ROWS = 16
# How long a run is when neither `train.epochs` nor `train.max_steps` is given.
DEFAULT_STEPS = 1500
# The highest learning rate of a pretrained model, unless set; a new small one bears far more.
PRETRAINED_RATE = 3e-4


class ConfigError(ValueError):
    """A configuration that cannot be used. The message names the key, the value and the remedy."""

    exit_code = 2


class LoraConfig(Section):
    """A low-rank adapter: the weights of the model stay as they are, small matrices beside them learn."""

    rank: int | None = Field(default=None, ge=1, lt=2**15)
    """inner width of the adapter's matrices; none: no adapter, the whole model is trained"""

    alpha: float | None = Field(default=None, gt=0)
    """what the adapter adds is multiplied by alpha / rank; none: alpha is twice the rank"""

    dropout: float = Field(default=0.0, ge=0, lt=1)
    """share of the adapter's inputs that is dropped while it is trained"""

    target_modules: Names = ("auto",)
    """names of the layers that get one, as in [q, v]; or all-linear; auto: peft's choice for the kind"""

    @model_validator(mode="after")
    def _of_an_adapter(self) -> Self:
        for name in ("alpha", "dropout", "target_modules"):
            plain = type(self).model_fields[name].default
            if "rank" not in self.model_fields_set and getattr(self, name) != plain:
                raise ValueError(
                    f"`model.lora.{name}` means nothing without `model.lora.rank`: set that too, such as 16, "
                    "or leave it out and the whole model is trained"
                )
        return self


class ModelConfig(Section):
    """The model to train: one that exists, or a new one."""

    name_or_path: str | None = None
    """directory or hub name of a pretrained model; none: a new model from `model.config`"""

    config: dict[str, Any] | None = None
    """configuration of a new model, in the words of transformers; none: a small T5"""

    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3"] = "auto"
    """the kernel of attention; auto: what transformers takes for this kind of model"""

    trust_remote_code: bool = False
    """whether code that a model of `model.name_or_path` brings along is run; only of somebody you trust"""

    lora: LoraConfig = LoraConfig()
    """the adapter that is trained in place of the model, if any"""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.name_or_path == "":
            raise ValueError("`model.name_or_path` is empty: give a directory or a name on the hub")
        if self.name_or_path is not None and self.config is not None:
            raise ValueError("give either `model.name_or_path` or `model.config`, not both")
        if self.trust_remote_code and self.name_or_path is None:
            raise ValueError("`model.trust_remote_code` is for a model of `model.name_or_path`: name it")
        return self


OptimizerKind = Literal["adamw", "adafactor", "adamw8bit"]
Precision = Literal["float32", "bf16", "fp16"]
"""arithmetic of a forward pass"""


class OptimConfig(Section):
    """The optimizer, and its learning rate at every step."""

    kind: OptimizerKind = "adamw"
    """adafactor keeps a row and a column of each second moment; adamw8bit quantises both, on cuda alone"""

    learning_rate: float = Field(default=5e-3, gt=0)
    """highest learning rate, reached when the warmup ends; unless set, 3e-4 for a pretrained model"""

    warmup_steps: int = Field(default=100, ge=0, lt=2**53)
    """steps over which the learning rate rises linearly to its highest value"""

    schedule: Literal["linear", "cosine", "constant", "wsd", "inverse_sqrt"] = "linear"
    """after the warmup: fall by a line or a cosine, stay, stay and fall at the end, fall as 1/sqrt(step)"""

    decay_share: float = Field(default=0.2, gt=0, le=1)
    """with `schedule` wsd: share of all steps at the end over which the learning rate falls in a line"""

    min_learning_rate_ratio: float = Field(default=0.0, ge=0, le=1)
    """after the warmup the learning rate stays above this share of its highest value"""

    weight_decay: float = Field(default=0.0, ge=0)
    """decoupled decay of every parameter that is neither norm nor bias"""

    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.999)
    """of adamw: decay rates of the running means of the gradient and of its square"""

    eps: float = Field(default=1e-8, gt=0)
    """of adamw: added to the root of the second moment"""

    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """gradients are scaled down to this norm over all parameters; none: never"""

    @model_validator(mode="after")
    def _betas_that_count(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("each of `optim.betas` must be at least 0 and less than 1")
        for name in ("betas", "eps"):
            plain = type(self).model_fields[name].default
            if self.kind == "adafactor" and getattr(self, name) != plain:
                raise ValueError(f"`optim.{name}` means nothing to `optim.kind=adafactor`: leave it out")
        return self


MOST_THREADS = 1024
"""of one operation; with many thousands torch ends the process without a word"""


class TrainConfig(Section):
    """How long and in which arithmetic the run goes."""

    epochs: int | None = Field(default=None, ge=1)
    """passes over the training records; none: `train.max_steps` alone decides"""

    max_steps: int | None = Field(default=None, ge=1)
    """optimizer steps at most; none: `train.epochs` alone decides, or 1500 when that is none too"""

    gradient_accumulation_steps: int = Field(default=1, ge=1, lt=2**31)
    """micro-batches in one optimizer step; their gradient is that of one large batch"""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """share of each target that is spread over the whole vocabulary; the validation loss has none"""

    activation_checkpointing: bool = False
    """whether activations of the layers are computed again in the backward pass, to save memory"""

    rows_per_forward: int | Literal["auto"] = "auto"
    """rows of a micro-batch that go forward together; auto: all on a cpu, as many as fit on cuda"""

    on_nonfinite: Literal["stop", "skip"] = "stop"
    """a loss or gradient that is no finite number: end the run, or leave out the records of that step"""

    sharding: Literal["none", "fsdp2"] = "none"
    """with several processes: a whole model on each, or a part of every parameter, gradient and moment"""

    precision: Precision = "float32"
    """arithmetic of the forward pass, with a scaled loss for fp16; the parameters are float32 in all three"""

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """weight of the past in a running average of the weights, less in the first steps; none: no average"""

    compile: bool = False
    """whether the blocks of the model are compiled for a few shapes; needs a C++ compiler, on cuda triton"""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where the model lives; auto: cuda where there is a device, else cpu"""

    determinism: Literal["auto", "strict", "fast"] = "auto"
    """strict: two runs are bit-identical; fast: not promised; auto: strict on a cpu, fast on cuda"""

    threads: int | Literal["auto"] = "auto"
    """threads of one operation, on which the bits depend; auto: one for a small model, else all cores"""

    @model_validator(mode="after")
    def _counts_are_positive(self) -> Self:
        for name in ("threads", "rows_per_forward"):
            if (value := getattr(self, name)) != "auto" and value < 1:
                raise ValueError(f"`train.{name}` must be `auto` or at least 1, got `{value}`")
        if self.threads != "auto" and self.threads > MOST_THREADS:
            raise ValueError(
                f"`train.threads` must be `auto` or at most {MOST_THREADS:,}, got `{self.threads}`"
            )
        return self


class Config(Section):
    """Everything a run is told. `options.resolve` fills in what follows from other keys."""

    seed: int = Field(default=42, ge=0, lt=2**64)
    """seed of the order of records, of new weights and of dropout"""

    run_dir: str | None = Field(default=None, min_length=1)
    """directory of the run; none: `runs/` and the name of the configuration file, or `runs/default`"""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    eval: EvalConfig = EvalConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _sections_that_agree(self) -> Self:
        if self.train.sharding == "fsdp2" and self.optim.kind != "adamw":
            raise ValueError(
                f"`optim.kind={self.optim.kind}` needs whole tensors, which `train.sharding=fsdp2` parts: "
                "use `adamw`, or `train.sharding=none`"
            )
        if self.train.compile and self.data.batch_tokens is not None:
            raise ValueError(
                "`train.compile` wants micro-batches of one number of rows, which `data.batch_tokens` gives "
                "none: set `data.batch_size` instead"
            )
        if self.eval.use_ema and self.train.ema_decay is None:
            raise ValueError("`eval.use_ema` needs averages to judge: set `train.ema_decay`, such as 0.999")
        return self

    @property
    def run_path(self) -> Path:
        """The run directory; only after `options.resolve`."""
        if self.run_dir is None:
            raise ConfigError("`run_dir` is not resolved: build the configuration with `options.resolve`")
        return Path(self.run_dir)


def keys(model: type[BaseModel] = Config, prefix: str = "") -> dict[str, Any]:
    """Every leaf key, dotted, with its pydantic field, in reading order."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def flatten(config: Config) -> dict[str, Any]:
    """The values under the dotted names of `keys`, as JSON values."""
    values = config.model_dump(mode="json")
    return {key: _value_at(values, key) for key in keys()}


def _value_at(values: dict[str, Any], dotted: str) -> Any:
    inner: Any = values
    for part in dotted.split("."):
        inner = inner[part]
    return inner
