from pathlib import Path

import pytest
from chefgenius import commandline
from chefgenius.settings import options
from chefgenius.settings.config import SMALL_T5, ConfigError, flatten, keys


def changed(*overrides: str, file: Path | None = None) -> dict[str, object]:
    """The flat values that differ from the defaults."""
    defaults = flatten(options.load())
    found = flatten(options.load(None if file is None else str(file), overrides))
    return {key: value for key, value in found.items() if value != defaults[key]}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seed=1", 1),
        ("optim.learning_rate=3e-4", 3e-4),
        ("data.sources=[a.jsonl,b.csv]", ["a.jsonl", "b.csv"]),
        ("data.sources=on", ["on"]),
        ("data.template.prompt=Write: {title}", "Write: {title}"),
        ("data.template.prompt={title}, please", "{title}, please"),
        ("data.tokenizer=010", "010"),
        ("data.min_quality=2", 2.0),
        ("train.threads=2", 2),
        ("optim.betas=[0.8, 0.9]", [0.8, 0.9]),
        ("optim.max_grad_norm=null", None),
        ("model.config={model_type: bart}", {"model_type": "bart"}),
    ],
)
def test_values_are_yaml(override: str, value: object) -> None:
    assert changed(override) == {override.split("=", 1)[0]: value}


def test_one_entry_of_the_default_model_can_be_set() -> None:
    assert changed("model.config.d_model=128") == {"model.config": {**SMALL_T5, "d_model": 128}}
    assert SMALL_T5["d_model"] == 64


def test_an_adapter_that_is_left_out_by_name_may_keep_its_other_keys() -> None:
    assert options.load(None, ["model.lora.rank=null", "model.lora.alpha=8"]).model.lora.alpha == 8


@pytest.mark.parametrize("first", [True, False])
def test_single_keys_of_another_kind_have_no_t5_under_them(first: bool) -> None:
    words = ["model.config.model_type=gpt2", "model.config.n_embd=32"]
    found = options.load(None, words if first else words[::-1]).model.config
    assert found == {"model_type": "gpt2", "n_embd": 32}
    alike = options.load(None, ["model.config.model_type=mt5", "model.config.d_ff=9"]).model.config
    assert alike == {**SMALL_T5, "model_type": "mt5", "d_ff": 9}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optim.learning_rat=1", "unknown key `optim.learning_rat`: did you mean `optim.learning_rate`?"),
        ("learning_rate=1", "did you mean `optim.learning_rate`?"),
        ("data.batchsize=1", "did you mean `data.batch_size`?"),
        ("qqq=1", "see `--help`"),
        ("optim=1", "`optim` is a section"),
        ("seed.x=1", "unknown key `seed.x`"),
        ("optim.learning_rate=-1", "`optim.learning_rate`: input should be greater than 0, got `-1`"),
        ("seed=true", "`seed`: input should be a valid integer, got `true`"),
        ("data.batch_size=2.5", "`data.batch_size`: input should be a valid integer, got `2.5`"),
        ("optim.learning_rate=.inf", "`optim.learning_rate`: input should be a finite number, got `.inf`"),
        ("data.min_quality=.nan", "`data.min_quality`: input should be a finite number"),
        ("data.batch_size=2147483648", "`data.batch_size`: input should be less than 2147483648"),
        ("train.threads=0", "`train.threads` must be `auto` or at least 1"),
        ("train.threads=100000", "`train.threads` must be `auto` or at most 1,024, got `100000`"),
        ("train.precision=fp8", "`train.precision`: input should be 'float32', 'bf16' or 'fp16', got `fp8`"),
        ("optim.betas=[0.9, 1]", "`optim.betas`"),
        ("checkpoint.keep=1", "greater than or equal to 2, got `1`"),
        ("data.sources=[3]", "`data.sources`: input should be a valid string, got `3`"),
        ("seed=[1", "no valid YAML"),
        ("model.lora.alpha=8", "`model.lora.alpha` means nothing without `model.lora.rank`"),
        ("model.lora.target_modules=[q]", "`model.lora.target_modules` means nothing without"),
        ("model.name_or_path=''", "`model.name_or_path` is empty: give a directory"),
        (f"eval.prompts={10**20}", "`eval.prompts`: input should be less than 2147483648"),
        (f"eval.samples={10**20}", "`eval.samples`: input should be less than 2147483648"),
        (f"optim.warmup_steps={10**320}", "`optim.warmup_steps`: input should be less than"),
        ("data.min_quality=1e300", "`data.min_quality`: input should be less than"),
    ],
)
def test_errors_name_key_and_value(override: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        options.load(None, [override])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_is_either_loaded_or_new() -> None:
    with pytest.raises(ConfigError, match=r"either `model.name_or_path` or `model.config`"):
        options.load(None, ["model.name_or_path=x", "model.config={model_type: t5}"])


def test_the_command_line_is_above_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 5\noptim:\n  learning_rate: 1e-3\ndata:\n  # sources: [x]\n")
    assert changed("seed=6", file=file) == {
        "seed": 6,
        "optim.learning_rate": 1e-3,
        "run_dir": "runs/mine",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optim: {learning_rte: 1}", "unknown key `optim.learning_rte`: did you mean `optim.learning_rate`?"),
        ("seed: [", "no valid YAML"),
        ("", "holds no key: write `key: value` lines into it"),
        ("# seed: 1", "holds no key"),
        ("- seed", "must hold `key: value` lines"),
        ("optim: 3", "`optim` is a section"),
        ("seed: 1\nseed: 2", "no valid YAML"),
    ],
)
def test_errors_of_a_file_name_it(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        options.load(str(file))
    assert str(error.value).startswith(f"{file}: ")
    assert told in str(error.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file: `nowhere.yaml`"):
        options.load("nowhere.yaml")


def test_what_follows_from_other_keys_is_filled_in() -> None:
    assert options.load().train.max_steps == 1500
    assert options.load(None, ["train.epochs=3"]).train.max_steps is None
    config = options.load(None, ["run_dir=a/b"])
    assert (config.run_dir, config.data.cache_dir) == ("a/b", "a/stores")
    assert options.load().model.config == SMALL_T5
    tuned = options.load(None, ["model.name_or_path=x"])
    assert tuned.model.config is None
    assert (tuned.optim.learning_rate, options.load().optim.learning_rate) == (3e-4, 5e-3)
    told = ["model.name_or_path=x", "optim.learning_rate=5e-3"]
    assert options.load(None, told).optim.learning_rate == 5e-3


def test_a_written_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = options.load(None, ["data.template.prompt=on", "optim.eps=1e-9", "data.tokenizer=3e-4"])
    file = tmp_path / "config.yaml"
    file.write_text(options.to_yaml(config))
    assert options.load(str(file)) == config


def test_help_tells_every_key() -> None:
    text = options.help_text()
    for key, field in keys().items():
        assert f"\n  {key}=" in text
        assert field.description in text
    assert "train.max_steps=1500" in text


def test_help_tells_of_what_is_asked_for() -> None:
    assert options.help_text("model.lora") == options.help_text("lora")
    assert options.help_text("lora").count("=") == 4
    assert options.help_text("seed").splitlines()[2:] == ["  seed=42", f"      {keys()['seed'].description}"]
    told = [
        options.help_text(name).count("\n  ")
        for section in options.sections()
        for name in section.split(", ")
    ]
    assert sum(told) == options.help_text().count("\n  ") == 2 * len(keys())
    with pytest.raises(ConfigError, match="`--help opt`: did you mean `optim`"):
        options.help_text("opt")


def test_the_command_line_is_taken_apart() -> None:
    line = commandline.parse(["a.yaml", "seed=1", "--resume", "must", "data.tokenizer=x=y", "--explain"])
    assert line == commandline.CommandLine("a.yaml", ("seed=1", "data.tokenizer=x=y"), "must", explain=True)


def test_leave_may_be_given_again() -> None:
    line = commandline.parse(["--allow-change", "seed,threads", "--allow-change", "batch_size"])
    once = commandline.parse(["--allow-change", "seed,threads,batch_size"])
    assert line == once
    assert {"seed", "data.batch_size"} <= line.allowed
    assert commandline.parse([]).allowed == frozenset()


@pytest.mark.parametrize("names", ["", ",", "seed,", " "])
def test_leave_for_nothing_is_refused(names: str) -> None:
    with pytest.raises(ConfigError, match="a name is empty in"):
        commandline.parse(["--allow-change", "threads", "--allow-change", names])


@pytest.mark.parametrize("arguments", [["a.yaml", "b.yaml"], ["--resum", "auto"], ["--resume"]])
def test_a_bad_command_line_is_a_configuration_error(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="command line: "):
        commandline.parse(arguments)


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory, no configuration: give a YAML file"):
        options.load(str(tmp_path))
    (tmp_path / "config.yaml").write_text("seed: 1")
    with pytest.raises(ConfigError, match=f"to go on with that run, give `{tmp_path}/config.yaml`"):
        options.load(str(tmp_path))
