"""From a file and overrides to one resolved `Config`.

1. `load` reads the file, lays the overrides over it, refuses unknown keys and builds the `Config`.
2. `resolve` fills in the paths that depend on the file's name.
3. `to_yaml` and `help_text` write a configuration and its documentation.
"""

import copy
import difflib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from chefgenius.settings.config import (
    DEFAULT_ROWS,
    DEFAULT_STEPS,
    PRETRAINED_RATE,
    SMALL_T5,
    T5_LIKE,
    Config,
    ConfigError,
    ModelConfig,
    flatten,
    keys,
)

OVERRIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_.\-]*)=(.*)", re.DOTALL)


def load(file: str | None = None, overrides: Sequence[str] = ()) -> Config:
    """The resolved configuration: defaults < file < overrides (`section.key=value`, values in YAML 1.2).

    Raises ConfigError, which names the key, FileNotFoundError or another OSError for the file itself, and
    TypeError for overrides that are one text.
    """
    if isinstance(overrides, str):
        raise TypeError(f"`overrides` is one text: give a list, [{overrides!r}]")
    values = _read(Path(file)) if file is not None else {}
    _refuse_unknown(values, file or "")
    for override in overrides:
        _lay_over(values, override, overrides)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(one) for one in error.errors()) + ": see `--help`") from None
    return resolve(config, Path(file).stem if file is not None else "default")


def resolve(config: Config, name: str) -> Config:
    """Fills in what follows from other keys, so that the stored configuration says it all:

    `run_dir` (`runs/NAME`), `data.cache_dir` (`stores` beside the run), `data.batch_size`, the model of the
    newcomer's run and its number of steps, and the learning rate of a pretrained model.
    """
    run_dir = config.run_dir if config.run_dir is not None else f"runs/{name}"
    data, model, optim, train = config.data, config.model, config.optim, config.train
    if data.cache_dir is None:
        data = data.model_copy(update={"cache_dir": str(Path(run_dir).parent / "stores")})
    if data.batch_size is None and data.batch_tokens is None:
        data = data.model_copy(update={"batch_size": DEFAULT_ROWS})
    if model.name_or_path is None and model.config is None:
        model = model.model_copy(update={"config": copy.deepcopy(SMALL_T5)})
    if model.name_or_path is not None and "learning_rate" not in optim.model_fields_set:
        optim = optim.model_copy(update={"learning_rate": PRETRAINED_RATE})
    if train.epochs is None and train.max_steps is None:
        train = train.model_copy(update={"max_steps": DEFAULT_STEPS})
    return config.model_copy(
        update={"run_dir": run_dir, "data": data, "model": model, "optim": optim, "train": train}
    )


def with_weights(config: Config, directory: Path) -> Config:
    """The configuration of a run that begins with the weights in `directory`, which say what its model is.

    Raises ConfigError when another model is configured.
    """
    for key, value, harmless in (
        ("model.name_or_path", config.model.name_or_path, (None, str(directory))),
        ("model.config", config.model.config, (None, SMALL_T5)),
    ):
        if value not in harmless:
            raise ConfigError(f"give either `--init-from` or `{key}`: the weights say what the model is")
    model = ModelConfig(name_or_path=str(directory), attention=config.model.attention, lora=config.model.lora)
    return resolve(config.model_copy(update={"model": model}), "default")


def to_yaml(config: Config) -> str:
    """The configuration as YAML that `load` reads back to an equal one."""
    return _dump(config.model_dump(mode="json"), flow=False)


def sections() -> dict[str, str]:
    """Each section of keys and what it is about; `run_dir` and `seed`, which stand in none, come first."""
    alone = [key for key in keys() if "." not in key]
    fields = Config.model_fields.items()
    inner = {name: str(field.annotation.__doc__) for name, field in fields if name not in alone}
    return {", ".join(alone): "Which run, and which of its kind.", **inner}


def help_text(what: str = "all") -> str:
    """The keys that `what` names, with their defaults and meanings: a section, a key, or `all` of them.

    Raises ConfigError for a name that is none.
    """
    known = keys()
    named = [key for key in known if what == "all" or f".{what}." in f".{key}."]
    if not named:
        near = difflib.get_close_matches(what, Config.model_fields, n=1)
        told = f"did you mean `{near[0]}`?" if near else _unknown(what)
        raise ConfigError(f"command line: `--help {what}`: {told}")
    defaults = flatten(load())
    lines = ["keys, with their defaults:"]
    section = None
    for key in named:
        head = key.rpartition(".")[0]
        if head != section:
            section = head
            lines.append("")
        lines.append(f"  {key}={_as_text(defaults[key])}")
        lines.append(f"      {known[key].description}")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = YAML(typ="safe", pure=True).load(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: `{path}`: check the path of the configuration") from None
    except IsADirectoryError:
        told = "give a YAML file, or `run_dir=...` for the directory of a new run"
        if (path / "config.yaml").is_file():
            told = f"to go on with that run, give `{path / 'config.yaml'}`"
        raise ConfigError(f"`{path}` is a directory, no configuration: {told}") from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{path}: no valid YAML: {_one_line(error)}: mend the file") from None
    if values is None:
        raise ConfigError(
            f"{path}: holds no key: write `key: value` lines into it, see `--help`, or leave the file out, "
            "which trains on the recipes in the package"
        )
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: must hold `key: value` lines, holds a {type(values).__name__}: see `--help`"
        )
    return values


def _lay_over(values: dict[str, Any], override: str, overrides: Sequence[str]) -> None:
    """Puts one `section.key=value` of the `overrides` into the nested dict `values`."""
    match = OVERRIDE.fullmatch(override)
    if match is None:
        raise ConfigError(f"command line: `{override}` is no `section.key=value`")
    key, text = match.groups()
    field = _field(key)
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as error:
        if not _is_text(field):
            raise ConfigError(f"command line: `{override}`: no valid YAML: {_one_line(error)}") from None
        value = text
    if _is_text(field) and value is not None and not isinstance(value, str):
        value = text  # a path such as 2024, or a template with a colon in it
    parts = key.split(".")
    if parts[:2] == ["model", "config"] and len(parts) > 2:
        model = values.setdefault("model", {})
        if model.get("config") is None:
            model["config"] = _small(overrides)
    inner = values
    for part in parts[:-1]:
        if inner.get(part) is None:
            inner[part] = {}
        inner = inner[part]
        if not isinstance(inner, dict):
            raise ConfigError(f"command line: `{override}`: `{part}` has a value, no keys of its own")
    inner[parts[-1]] = value


def _small(overrides: Sequence[str]) -> dict[str, Any]:
    """What single keys of `model.config` are laid over: the small T5; nothing, where the kind is another."""
    begin = "model.config.model_type="
    kinds = [one.removeprefix(begin).strip() for one in overrides if one.startswith(begin)]
    return copy.deepcopy(SMALL_T5) if not kinds or kinds[-1] in T5_LIKE else {}


def _field(key: str) -> FieldInfo | None:
    """The field of a dotted key; None for one inside the free `model.config`. Raises ConfigError."""
    known = keys()
    if key in known:
        field: FieldInfo = known[key]
        return field
    if key.startswith("model.config.") and all(key.split(".")):
        return None
    if any(name.startswith(f"{key}.") for name in known):
        raise ConfigError(
            f"command line: `{key}` is a section: set one of its keys, such as `{_first(key)}=...`"
        )
    raise ConfigError(f"command line: {_unknown(key)}")


def _is_text(field: FieldInfo | None) -> bool:
    return field is not None and field.annotation == (str | None)


def _first(section: str) -> str:
    return next(name for name in keys() if name.startswith(f"{section}."))


def _refuse_unknown(values: dict[str, Any], place: str, prefix: str = "") -> None:
    known = keys()
    for name, value in values.items():
        key = f"{prefix}{name}"
        if key in known:
            continue
        if not any(other.startswith(f"{key}.") for other in known):
            raise ConfigError(f"{place}: {_unknown(key)}")
        if value is not None and not isinstance(value, dict):
            raise ConfigError(
                f"{place}: `{key}` is a section, got `{value}`: put its keys under it, see `--help`"
            )
        _refuse_unknown(value or {}, place, f"{key}.")
    for name in [name for name, value in values.items() if value is None and f"{prefix}{name}" not in known]:
        del values[name]  # a section whose keys are all commented out


def _unknown(key: str) -> str:
    """Names the known key that is nearest to an unknown one."""
    known = list(keys())
    last = key.rpartition(".")[2]
    same = [name for name in known if name.rpartition(".")[2] == last]
    near = same or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        by_last = {name.rpartition(".")[2]: name for name in known}
        near = [by_last[name] for name in difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)]
    advice = f"did you mean `{near[0]}`?" if near else "see `--help` for the keys there are"
    return f"unknown key `{key}`: {advice}"


def _explain(error: Any) -> str:
    """One pydantic error in one line: key, what is wrong, value."""
    known = keys()
    key = ""
    for part in error["loc"]:
        if key in known:
            break
        key = f"{key}.{part}" if key else str(part)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return str(message)
    return f"`{key}`: {message[0].lower()}{message[1:]}, got `{_as_text(error['input'])}`"


def _as_text(value: Any) -> str:
    """A value as YAML on one line."""
    return _dump(value, flow=True).removesuffix("...\n").strip()


def _dump(value: Any, *, flow: bool) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.width = 2**20
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue()


def _one_line(error: Exception) -> str:
    """What is wrong and where, without the advice of the YAML library."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem or error.context} in line {mark.line + 1}, column {mark.column + 1}"
    return re.sub(r"\s+", " ", str(error)).strip()
