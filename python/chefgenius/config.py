"""What a run is told: one frozen model per section, one line of meaning per key.

`options` fills these models from a file and the command line; this module only says what may stand there.
Nothing here imports torch, so that a mistake is answered at once.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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
# Rows of a micro-batch when neither `data.batch_size` nor `data.batch_tokens` is given.
DEFAULT_ROWS = 16
# How long a run is when neither `train.epochs` nor `train.max_steps` is given.
DEFAULT_STEPS = 1500
# The highest learning rate of a pretrained model, unless set; a new small one bears far more.
PRETRAINED_RATE = 3e-4


class ConfigError(ValueError):
    """A configuration that cannot be used. The message names the key, the value and the remedy."""

    exit_code = 2


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)]


class Section(BaseModel):
    """Immutable, exact about types, closed to unknown keys; a docstring under a field is its help text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class TemplateConfig(Section):
    """How a recipe becomes a prompt and a target.

    {title} {names} {ingredients} {directions} {recipe} are filled in.
    """

    prompt: str | None = None
    """format of the prompt; none: `Write a recipe for {title}. Ingredients: {names}.`"""

    target: str | None = None
    """format of the target; none: `{recipe}`, the whole recipe text"""


class DataConfig(Section):
    """Which recipes are read, and how they are cut into batches."""

    sources: Paths = ()
    """files, directories, archives or globs of recipes; none: the recipes that ship with the package"""

    store: str | None = Field(default=None, min_length=1)
    """a store that `chefgenius.prepare` made, in place of `data.sources`; it brings its tokenizer along"""

    columns: dict[str, str] = {}
    """which field of the sources is which part, as in {title: dish}; known names need no entry"""

    tokenizer: str | None = None
    """a tokenizer.json or a directory holding one; none: the model's, or the one in the package"""

    template: TemplateConfig = TemplateConfig()
    """formats of prompt and target"""

    plan: Literal["fixed", "bucketed", "packed"] = "bucketed"
    """how records are grouped: as the order deals them, by like lengths, or several in a row of one width"""

    batch_size: int | None = Field(default=None, ge=1, lt=2**31)
    """rows of one micro-batch; none: as `data.batch_tokens` says, or 16 when that is none too"""

    batch_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    """with `data.plan=bucketed`, instead of `data.batch_size`: places of one micro-batch, both sides"""

    weights: dict[str, float] = {}
    """how often an epoch draws each record of a source, as in {mine.jsonl: 1.5}; 1 where not named"""

    separator: str | None = None
    """causal models: text between prompt and target; none: a newline, where the tokenizer has one"""

    loss_on: Literal["target", "both"] = "target"
    """causal models: what is learned, the target alone or the prompt too"""

    max_input_length: int = Field(default=256, ge=2, lt=2**31)
    """prompts are cut to this many tokens, end mark included, or what a causal model has around them"""

    max_target_length: int = Field(default=512, ge=2, lt=2**31)
    """targets are cut to this many tokens, end mark included"""

    validation_fraction: float = Field(default=0.05, ge=0, lt=1)
    """share of the records, chosen by content, that is held out for evaluation"""

    validation_sources: Paths = ()
    """files that are held out whole, instead of a fraction; they need not stand in `data.sources`"""

    split_seed: int = Field(default=0, ge=0, lt=2**64)
    """another value holds out other records; independent of `seed`"""

    min_quality: float | None = None
    """records with a quality score under this are left out; none: all are kept"""

    on_error: Literal["fail", "skip"] = "fail"
    """what a record that cannot be read does: end the preparation, or be counted and left out"""

    max_bad: int = Field(default=1000, ge=0)
    """with `on_error` skip: how many bad records are too many"""

    tombstones: str | None = Field(default=None, min_length=1)
    """a file of record numbers, one a line, `#` begins a comment: training leaves these records out"""

    cache_dir: str | None = Field(default=None, min_length=1)
    """where token stores are built; none: `stores` beside the run"""

    prefetch: int = Field(default=8, ge=0, le=4096)
    """batches built ahead of the trainer; changes nothing but speed"""

    threads: int = Field(default=1, ge=1, le=64)
    """threads that build batches ahead; changes nothing but speed"""

    @model_validator(mode="after")
    def _a_store_or_what_makes_one(self) -> Self:
        makes = {"sources": self.sources, "tokenizer": self.tokenizer, "columns": self.columns}
        given = [f"`data.{name}`" for name, value in makes.items() if value]
        if self.template != TemplateConfig():
            given.append("`data.template`")
        if self.store is not None and given:
            raise ValueError(f"give either `data.store` or {', '.join(given)}: a store is prepared already")
        return self

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.batch_tokens is None:
            return self
        if self.batch_size is not None:
            raise ValueError("give either `data.batch_size` or `data.batch_tokens`, not both")
        if self.plan != "bucketed":
            raise ValueError(f"`data.batch_tokens` is for `data.plan=bucketed`, not `{self.plan}`")
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

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.name_or_path is not None and self.config is not None:
            raise ValueError("give either `model.name_or_path` or `model.config`, not both")
        if self.trust_remote_code and self.name_or_path is None:
            raise ValueError("`model.trust_remote_code` is for a model of `model.name_or_path`: name it")
        return self


class OptimConfig(Section):
    """AdamW (fused, no decay on norms and biases) and the closed form of its learning rate."""

    learning_rate: float = Field(default=5e-3, gt=0)
    """highest learning rate, reached when the warmup ends; unless set, 3e-4 for a pretrained model"""

    warmup_steps: int = Field(default=100, ge=0)
    """steps over which the learning rate rises linearly to its highest value"""

    schedule: Literal["linear", "constant"] = "linear"
    """after the warmup: fall linearly, to end just above 0 at the last step, or stay"""

    weight_decay: float = Field(default=0.0, ge=0)
    """decoupled decay of every parameter that is neither norm nor bias"""

    betas: Annotated[tuple[float, float], Field(strict=False)] = (0.9, 0.999)
    """decay rates of the running means of the gradient and of its square"""

    eps: float = Field(default=1e-8, gt=0)
    """added to the root of the second moment"""

    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """gradients are scaled down to this norm over all parameters; none: never"""

    @model_validator(mode="after")
    def _betas_in_range(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("each of `optim.betas` must be at least 0 and less than 1")
        return self


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

    on_nonfinite: Literal["stop", "skip"] = "stop"
    """a loss or gradient that is no finite number: end the run, or leave out the records of that step"""

    precision: Literal["float32", "bf16"] = "float32"
    """arithmetic of the forward pass; the parameters are float32 in both"""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where the model lives; auto: cuda where there is a device, else cpu"""

    determinism: Literal["auto", "strict", "fast"] = "auto"
    """strict: two runs are bit-identical; fast: not promised; auto: strict on a cpu, fast on cuda"""

    threads: int | Literal["auto"] = "auto"
    """threads of one operation, on which the bits depend; auto: one for a small model, else all cores"""

    @model_validator(mode="after")
    def _length_and_threads(self) -> Self:
        if self.threads != "auto" and self.threads < 1:
            raise ValueError("`train.threads` must be `auto` or at least 1")
        return self


class CheckpointConfig(Section):
    """When the run is saved, and what is kept."""

    every_steps: int = Field(default=250, ge=1)
    """a checkpoint every so many steps; the first, the last and each best boundary are saved besides"""

    every_minutes: float | None = Field(default=15, gt=0)
    """a checkpoint also when the last one is so many minutes old; none: steps alone decide"""

    keep: int = Field(default=2, ge=2)
    """newest checkpoints that are kept, besides those below and the pinned"""

    keep_best: int = Field(default=1, ge=1)
    """checkpoints of the lowest validation losses that are kept"""

    keep_every_steps: int | None = Field(default=None, ge=1)
    """checkpoints whose step is a multiple of this are kept for good; none: no such"""


class EvalConfig(Section):
    """How the model is judged on the records held out."""

    every_steps: int = Field(default=250, ge=0)
    """an evaluation every so many steps, besides one before and one after; 0: no evaluation at all"""

    max_batches: int | None = Field(default=None, ge=1)
    """validation batches that are read; none: all"""

    prompts: int = Field(default=50, ge=0)
    """validation prompts for which recipes are generated and judged before and after the training"""

    samples: int = Field(default=3, ge=0)
    """of these, how many are generated at every evaluation and shown at the end"""

    max_new_tokens: int = Field(default=160, ge=1)
    """length at which generation stops"""


class LogConfig(Section):
    """What is written down along the way."""

    every_steps: int = Field(default=10, ge=1)
    """a line in metrics.jsonl and timing.jsonl every so many steps, and of the first and the last"""


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
