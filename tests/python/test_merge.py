"""A merged model against what peft makes of the same base and adapter."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from adapters import gpt2, logits, stirred, t5
from chefgenius.exporting.merge import MergeError, merged, read_adapter
from chefgenius.run.base import find_base
from chefgenius.run.manifest import write_file
from peft import PeftModel
from safetensors.torch import load_file, save_file
from test_lora import adapted, opened, settings, write

# peft's own call, which transformers warns of.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def adapter_on(base: Path, folder: Path, **values: Any) -> Path:
    return write(stirred(adapted(base, **values)), settings(**values), base, folder)


def whole(base: Path, adapter: Path, folder: Path) -> Path:
    folder.mkdir()
    described = json.loads((base / "config.json").read_bytes())
    (folder / "config.json").write_text(
        json.dumps({**described, "dtype": "float32"})
    )  # as a checkpoint has it
    write_file(folder / "model.safetensors", merged(find_base(str(base)), read_adapter(adapter)))
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `t5` and an adapter of its layers `q`."""
    folder = tmp_path_factory.mktemp("adapters")
    adapter_on(t5(folder / "t5"), folder / "adapter", target_modules=("q",))
    return folder


@pytest.fixture
def adapter(given: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(given / "adapter", tmp_path / "adapter")


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize("targets", ["auto", "all-linear"])
def test_logits_are_those_of_base_and_adapter(tmp_path: Path, kind: str, targets: str) -> None:
    base = t5(tmp_path / "t5") if kind == "t5" else gpt2(tmp_path / "gpt2")
    adapter = adapter_on(base, tmp_path / "adapter", target_modules=(targets,), alpha=3)
    both = PeftModel.from_pretrained(opened(base), adapter)
    expected = logits(both)
    made = opened(whole(base, adapter, tmp_path / f"{kind}-merged"))
    assert (logits(made) - expected).abs().max() < 1e-5
    theirs = both.merge_and_unload().state_dict()
    own = made.state_dict()
    assert own.keys() == theirs.keys()
    assert max(float((own[name] - theirs[name]).abs().max()) for name in own) < 1e-6
    assert (logits(opened(base)) - expected).abs().max() > 1e-2, "the adapter does something"


def test_a_base_in_several_files_and_in_bf16_is_merged(tmp_path: Path) -> None:
    """What is not adapted stays as it is, bit for bit; what is becomes float32."""
    base = t5(tmp_path / "t5", dtype=torch.bfloat16, max_shard_size="30KB")
    assert len(find_base(str(base)).files) > 1
    adapter = adapter_on(base, tmp_path / "adapter", target_modules=("q",))
    made = whole(base, adapter, tmp_path / "t5-merged")
    weights = load_file(made / "model.safetensors")
    kinds = {name.rpartition(".")[0].rpartition(".")[2]: one.dtype for name, one in weights.items()}
    assert kinds["q"] == torch.float32
    assert kinds["v"] == kinds["shared"] == torch.bfloat16
    plain = opened(base).to(torch.float32)  # type: ignore[arg-type]
    expected = logits(PeftModel.from_pretrained(plain, adapter))
    assert (logits(opened(made)) - expected).abs().max() < 1e-5


def test_names_may_lack_the_part_in_front(tmp_path: Path) -> None:
    """As in GPT-2's own files."""
    base = gpt2(tmp_path / "gpt2")
    adapter = adapter_on(base, tmp_path / "adapter")
    expected = load_file(whole(base, adapter, tmp_path / "gpt2-1") / "model.safetensors")
    weights = load_file(base / "model.safetensors")
    save_file(
        {name.removeprefix("transformer."): one for name, one in weights.items()}, base / "model.safetensors"
    )
    found = load_file(whole(base, adapter, tmp_path / "gpt2-2") / "model.safetensors")
    assert all(torch.equal(found[name.removeprefix("transformer.")], one) for name, one in expected.items())


CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "rslora": ({"use_rslora": True}, "`use_rslora` is set: only plain LoRA is merged"),
    "dora": ({"use_dora": True}, "`use_dora` is set"),
    "patterns": ({"alpha_pattern": {"q": 1}}, "`alpha_pattern` is set"),
    "modules": ({"modules_to_save": ["lm_head"]}, "`modules_to_save` is set"),
    "bias": ({"bias": "all"}, "`bias` is `all`, merged is `none` alone"),
    "kind": ({"peft_type": "IA3"}, "`peft_type` is `IA3`"),
    "other rank": ({"r": 5}, "is no matrix of rank 5"),
    "huge rank": ({"r": 2**70}, "is no matrix of rank"),
    "no rank": ({"r": None}, "are no numbers"),
    "zero": ({"r": 0}, "are no numbers"),
    "text": ({"lora_alpha": "x"}, "are no numbers"),
    "infinite": ({"lora_alpha": float("inf")}, "are no numbers"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_no_plain_lora_is_refused(adapter: Path, name: str) -> None:
    change, told = CONFIGURATIONS[name]
    values = json.loads((adapter / "adapter_config.json").read_bytes())
    (adapter / "adapter_config.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(MergeError) as error:
        read_adapter(adapter)
    assert told in str(error.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b" " * (1 << 20) + b"{}"])
def test_a_configuration_that_is_none_is_refused(adapter: Path, data: bytes) -> None:
    (adapter / "adapter_config.json").write_bytes(data)
    with pytest.raises(MergeError, match="cannot be read"):
        read_adapter(adapter)


def test_tensors_that_are_no_adapter_are_refused(adapter: Path) -> None:
    place = adapter / "adapter_model.safetensors"
    tensors = load_file(place)
    first = sorted(tensors)[0]
    assert first.endswith("lora_A.weight")
    without = {name: one for name, one in tensors.items() if name != first}
    changes: list[tuple[dict[str, torch.Tensor], str]] = [
        ({}, "is empty"),
        (without, "holds `base_model"),
        ({**tensors, first: tensors[first].T.contiguous()}, "is no matrix of rank 4"),
        ({**tensors, first: tensors[first][0].contiguous()}, "is no matrix of rank 4"),
        ({**tensors, first: tensors[first].to(torch.int32)}, "type I32 cannot be merged"),
        (
            {**tensors, "base_model.model.q.lora_magnitude_vector": torch.zeros(1)},
            "holds `base_model.model.q",
        ),
        ({name.removeprefix("base_"): one for name, one in tensors.items()}, "is no matrix of rank 4"),
    ]
    for changed, told in changes:
        save_file(changed, place)
        with pytest.raises(MergeError) as error:
            read_adapter(adapter)
        assert told in str(error.value)
    place.write_bytes(b"x")
    with pytest.raises(MergeError, match="cannot be read"):
        read_adapter(adapter)


def test_a_base_of_another_shape_is_refused(given: Path, adapter: Path, tmp_path: Path) -> None:
    base, other = shutil.copytree(given / "t5", tmp_path / "t5"), gpt2(tmp_path / "gpt2")
    read = read_adapter(adapter)
    with pytest.raises(MergeError, match="has no weights for `decoder"):
        merged(find_base(str(other)), read)
    weights = load_file(base / "model.safetensors")
    name = "encoder.block.0.layer.0.SelfAttention.q.weight"
    save_file({**weights, name: weights[name][:, :8].contiguous()}, base / "model.safetensors")
    with pytest.raises(MergeError, match=r"is \[16, 8\], the adapter needs \[16, 16\]"):
        merged(find_base(str(base)), read)
