import pytest
from chefgenius.settings.config import Config, flatten, keys
from pydantic import ValidationError
from samples import run_python


def test_every_key_is_documented_in_one_line() -> None:
    found = keys()
    assert len(found) >= 40
    for key, field in found.items():
        assert field.description, key
        assert "\n" not in field.description, key


def test_the_keys_that_the_product_promises_are_there() -> None:
    promised = """seed run_dir data.sources data.tokenizer data.batch_size data.max_input_length
        data.max_target_length data.validation_fraction data.validation_sources data.split_seed
        data.min_quality data.template.prompt data.template.target data.cache_dir model.name_or_path
        model.config optim.learning_rate optim.warmup_steps optim.schedule optim.weight_decay
        optim.max_grad_norm train.epochs train.max_steps train.gradient_accumulation_steps
        train.precision train.threads checkpoint.every_steps checkpoint.every_minutes
        checkpoint.keep checkpoint.keep_best checkpoint.keep_every_steps eval.every_steps log.every_steps"""
    assert not set(promised.split()) - set(keys())


def test_configurations_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 3


def test_flatten_names_every_value() -> None:
    flat = flatten(Config())
    assert list(flat) == list(keys())
    assert flat["seed"] == 42
    assert flat["optim.betas"] == [0.9, 0.999]


def test_what_decides_about_a_run_needs_no_torch() -> None:
    names = (
        "settings.config",
        "settings.options",
        "run.state",
        "run.manifest",
        "run.rundir",
        "run.resume",
        "commandline",
        "run.differences",
        "training.explain",
        "train",
    )
    code = "".join(f"import chefgenius.{name}\n" for name in names) + "print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"
