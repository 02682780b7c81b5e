"""Adapters that somebody made by hand, with checksums that match: nothing of them is run or trusted."""

import json
import resource as limits
import shutil
from pathlib import Path

import pytest
from adapters import on_base
from running import run_here
from test_stranger import CONFIGURATIONS, HEADERS, QUICK, _no_pickle, checkpoint, header, refused, reseal

__all__ = ["_no_pickle"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `run`, which stands at step 2 and trains an adapter on `base`."""
    made = tmp_path_factory.mktemp("stranger")
    assert run_here(made, *adapting(made), "train.max_steps=2") == 0
    return made


def adapting(folder: Path) -> tuple[str, ...]:
    return (*on_base(folder), *QUICK)


def test_one_that_nothing_was_done_to_is_gone_on_with(folder: Path) -> None:
    """Else every refusal below might have another cause."""
    place = reseal(checkpoint(folder))
    words = (*adapting(folder), "train.max_steps=3", "--resume", str(place))
    assert run_here(folder, *words, run="new") == 0


@pytest.mark.parametrize("kind", ["huge product", "other dtype", "empty"])
def test_a_bad_header_of_an_adapter_is_refused(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder)
    refused(folder, header(place, "adapter_model.safetensors", HEADERS[kind]), capsys, *adapting(folder))


def test_a_pickle_in_the_place_of_an_adapter_is_never_opened(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder)
    (place / "adapter_model.safetensors").rename(place / "adapter_model.bin")
    assert "cannot read the tensors" in refused(folder, reseal(place), capsys, *adapting(folder))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"r": 1000000000000, "peft_type": "LORA", "base_model_name_or_path": "stranger/model"}',
        b'{"auto_mapping": {"parent_library": "stranger", "base_model_class": "Model"}, "peft_type": "X"}',
    ],
)
def test_how_a_stranger_describes_an_adapter_is_not_read(folder: Path, data: bytes) -> None:
    """A run goes on with its own description."""
    place = checkpoint(folder)
    (place / "adapter_config.json").write_bytes(data)
    shutil.rmtree(folder / "new", ignore_errors=True)
    words = (*adapting(folder), "train.max_steps=3", "--resume", str(reseal(place)))
    assert run_here(folder, *words, run="new") == 0
    written = json.loads((folder / "new/checkpoints/step-00000003/adapter_config.json").read_bytes())
    assert written["r"] == 4


@pytest.mark.parametrize("kind", ["many layers", "wide", "kernel", "other", "no type"])
def test_a_bad_configuration_beside_an_adapter_is_refused(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is held against the tensors of the base."""
    place = checkpoint(folder)
    values = json.loads((place / "config.json").read_bytes())
    changed = CONFIGURATIONS[kind](values)
    (place / "config.json").write_bytes(
        changed if isinstance(changed, bytes) else json.dumps(values).encode()
    )
    before = limits.getrusage(limits.RUSAGE_SELF).ru_maxrss
    refused(folder, reseal(place), capsys, *adapting(folder))
    assert limits.getrusage(limits.RUSAGE_SELF).ru_maxrss - before < 500_000, "half a gigabyte"


@pytest.mark.parametrize("option", ["", "model.trust_remote_code=true"])
def test_a_base_with_an_adapter_beside_it_is_no_model(
    folder: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = shutil.copytree(folder / "base", tmp_path / "both")
    described = b'{"peft_type": "LORA", "base_model_name_or_path": "stranger/model"}'
    (place / "adapter_config.json").write_bytes(described)
    (place / "adapter_model.bin").write_bytes(b"a pickle")
    for words in ((), ("model.lora.rank=4",)):
        given = (*QUICK, "model.config=null", f"model.name_or_path={place}", *words, *filter(None, [option]))
        assert run_here(tmp_path, *given) == 2
        assert "has an adapter alone: make a whole model" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["model.name_or_path", "--init-from"])
def test_an_adapter_is_no_model(folder: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Else transformers would read what the adapter names as its base."""
    place = folder / "run" / "checkpoints" / "step-00000002"
    given = ("--init-from", str(place)) if option == "--init-from" else (f"{option}={place}",)
    shutil.rmtree(folder / "new", ignore_errors=True)
    capsys.readouterr()
    assert run_here(folder, *QUICK, "model.config=null", *given, run="new") in (2, 3)
    told = capsys.readouterr().err
    assert not (folder / "new" / "checkpoints").exists()
    assert "has an adapter alone: make a whole model of it with `python -m chefgenius.ckpt export`" in told
