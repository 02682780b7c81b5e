"""What a run is told of its data: a section of the configuration.

`config` puts it beside the others. Nothing here imports torch.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from chefgenius.settings.section import Paths, Section


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

    columns: dict[str, str] = Field(default={})
    """which field of the sources is which part, as in {title: dish}; known names need no entry"""

    tokenizer: str | None = None
    """a tokenizer.json, a directory holding one, or `bundled`, the one in the package; none: the model's"""

    template: TemplateConfig = TemplateConfig()
    """formats of prompt and target"""

    plan: Literal["fixed", "bucketed", "packed"] = "bucketed"
    """how records are grouped: as the order deals them, by like lengths, or several in a row of one width"""

    batch_size: int | None = Field(default=None, ge=1, lt=2**31)
    """rows of one micro-batch; none: as `data.batch_tokens` says, or 16 when that is none too"""

    batch_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    """with `data.plan=bucketed`, instead of `data.batch_size`: places of one micro-batch, both sides"""

    weights: dict[str, float] = Field(default={})
    """how often an epoch draws each record of a source, as in {mine.jsonl: 1.5}; 1 where not named"""

    separator: str | None = None
    """causal models: text between prompt and target; none: a newline, as the tokenizer spells it"""

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

    min_quality: float | None = Field(default=None, gt=-(2.0**127), lt=2.0**127)
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
