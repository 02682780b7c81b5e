"""Checkpoints that somebody made by hand, with checksums that match: each ends in one clear refusal.

Nothing is unpickled, nothing of theirs is run, and no size that they claim is taken on trust.
"""

import copy
import json
import os
import pickle
import resource as limits
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import blake3
import pytest
import torch
from chefgenius.model.pretrained import read_configuration, read_header
from chefgenius.run.manifest import DamagedError, seal, verify, write_file
from chefgenius.run.resume import read_sections
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import ConfigError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import run_here

QUICK = ("eval.every_steps=0", "optim.schedule=constant")
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("something was unpickled")

    for place, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(place, name, refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `run`, which stands at step 2, and `tuned`, which goes on from a model in a directory."""
    made = tmp_path_factory.mktemp("stranger")
    assert run_here(made, *QUICK, "train.max_steps=2") == 0
    assert run_here(made, *tuned(made), "train.max_steps=2", run="tuned") == 0
    return made


def tuned(folder: Path) -> list[str]:
    """A run that takes its model's configuration from the checkpoint that it goes on from."""
    base = folder / "run" / "checkpoints" / "step-00000002"
    return [*QUICK, f"model.name_or_path={base}", "model.config=null", "data.tokenizer=null"]


def checkpoint(folder: Path, run: str = "run") -> Path:
    """A copy of the newest checkpoint, to be changed."""
    shutil.rmtree(folder / "strange", ignore_errors=True)
    shutil.copytree(folder / run, folder / "strange")
    return folder / "strange" / "checkpoints" / "step-00000002"


def reseal(place: Path, step: int = 2) -> Path:
    """Gives a directory a manifest that matches what it holds."""
    (place / "manifest.json").unlink()
    files = {}
    for path in sorted(place.iterdir()):
        data = path.read_bytes()
        path.unlink()
        files[path.name] = write_file(path, [data])
    seal(place, step, {}, files)
    verify(place)
    return place


def refused(folder: Path, place: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The refusal of a run that goes on from it, and that leaves nothing behind but what it started with."""
    shutil.rmtree(folder / "new", ignore_errors=True)
    capsys.readouterr()
    code = run_here(folder, *(words or QUICK), "--resume", str(place), run="new")
    told = capsys.readouterr()
    assert code in (2, 3), told
    assert told.err.startswith("error: "), told.err
    assert "Traceback" not in told.err
    assert all(line.isprintable() for line in told.err.splitlines()), repr(told.err)
    assert not (folder / "new" / "origin.json").exists()
    return told.err


@pytest.mark.parametrize("run", ["run", "tuned"])
def test_one_that_nothing_was_done_to_is_gone_on_with(folder: Path, run: str) -> None:
    """Else every refusal below might have another cause."""
    place = reseal(checkpoint(folder, run))
    shutil.rmtree(folder / "new", ignore_errors=True)
    words = tuned(folder) if run == "tuned" else QUICK
    assert run_here(folder, *words, "train.max_steps=3", "--resume", str(place), run="new") == 0


def with_sections(place: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    state = json.loads((place / "state.json").read_bytes())
    change(state["sections"])
    (place / "state.json").write_text(json.dumps(state))
    return reseal(place)


SECTIONS = (
    *("progress", "losses", "best", "evaluation", "digest", "pending", "schedule", "optimizer"),
    *("config", "facts", "exactness", "tombstones", "loader", "generators", "logs"),
    *("early_stopping", "scaler", "course"),
)
# what callbacks gave, under names of their own: one that is nobody's here is told and left out
CALLBACKS = "callbacks"


def test_every_section_has_junk_in_its_place(folder: Path) -> None:
    assert sorted([*SECTIONS, CALLBACKS]) == sorted(
        read_sections(folder / "run" / "checkpoints" / "step-00000002")
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_junk_is_refused(
    folder: Path, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    junks: list[Any] = [[], {}, {"a": {"b": [1e308]}}]
    for junk in junks:

        def change(sections: dict[str, Any], junk: Any = junk) -> None:
            sections[section] = junk

        refused(folder, with_sections(checkpoint(folder), change), capsys)
    told = refused(folder, with_sections(checkpoint(folder), lambda whole: whole.pop(section)), capsys)
    assert section in told


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*way, key))
    elif way:
        yield way


INNER = {*SECTIONS} - {"best", "early_stopping", "evaluation", "pending", "schedule", "config", "facts"}


def test_a_value_that_is_junk_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each value of each section once, replaced by what is not of its type: a run never begins to train."""
    whole = read_sections(folder / "run" / "checkpoints" / "step-00000002")
    ways = [way for section in sorted(INNER) for way in leaves(whole[section], (section,))]
    ways = [way for way in ways if "specification" not in way]  # of past steps, for `inspect` alone
    assert len(ways) >= 30
    for number, way in enumerate(ways):
        junk = [{"a": [1]}, [None], "\x1b[2Jnonsense"][number % 3]

        def change(sections: dict[str, Any], way: tuple[Any, ...] = way, junk: Any = junk) -> None:
            inner: Any = sections
            for part in way[:-1]:
                inner = inner[part]
            inner[way[-1]] = junk

        assert refused(folder, with_sections(checkpoint(folder), change), capsys), way


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        (("generators", "numpy", "position"), 10**6, "section `generators`"),
        (("generators", "torch"), "AAAA", "section `generators`"),
        (("generators", "cuda"), ["AAAA"] * 9, "generators of 9 CUDA devices"),
        (("facts", "threads"), 10**9, "was saved with `threads` 1000000000"),
        (("facts", "threads"), -1, "was saved with `threads` -1"),
        (("progress", "samples"), 10**300, "less than 9223372036854775808"),
        (("progress", "step"), 1, "contradicts itself"),
        (("loader", "index"), 10**9, "contradicts itself"),
        (("loader", "witness"), "x3:" + "0" * 32, "witness"),
        (
            ("logs", "metrics.jsonl", "bytes"),
            10**18,
            "the checkpoint was saved with 1,000,000,000,000,000,000, lines are lost",
        ),
        (("logs", "timing.jsonl", "bytes"), -(10**30), "section `logs`"),
        (("tombstones", "skipped"), [{"step": 1, "records": [10**18]}], "does not fit"),
        (("optimizer", "stateless"), [[]], "lacks the list `stateless`"),
        (("digest", "value"), "zz", "section `digest`"),
    ],
)
def test_a_value_out_of_range_is_refused(
    folder: Path, way: tuple[str, ...], value: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(sections: dict[str, Any]) -> None:
        inner: Any = sections
        for part in way[:-1]:
            inner = inner[part]
        inner[way[-1]] = value

    assert told in refused(folder, with_sections(checkpoint(folder), change), capsys)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 200_000,
        b'{"schema": "chefgenius.state/1", "sections": {"x": NaN}}',
        b"1" * 9999,
    ],
)
def test_a_state_that_is_none_is_refused(
    folder: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder)
    (place / "state.json").write_bytes(data)
    assert "has no readable state.json" in refused(folder, reseal(place), capsys)


def test_a_state_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "state.json", "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ResumeError, match="more than 67,108,864 bytes"):
        read_sections(tmp_path)


# The manifest.


@FEW
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    field=st.sampled_from(["schema", "step", "fingerprints", "files", "checksum", "size", "blake3"]),
)
def test_a_manifest_of_junk_is_damaged(tmp_path: Path, value: Any, field: str) -> None:
    place = tmp_path / "x"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    seal(place, 2, {}, {"a": write_file(place / "a", [b"abc"])})
    whole = json.loads((place / "manifest.json").read_bytes())
    body = copy.deepcopy(whole)
    (body["files"]["a"] if field in ("size", "blake3") else body)[field] = value
    if body == whole:
        return
    if field != "checksum":
        del body["checksum"]
        text = (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        body["checksum"] = blake3.blake3(text).hexdigest()
    text = (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
    (place / "manifest.json").write_bytes(text)
    if field in ("step", "fingerprints"):
        with suppress(DamagedError):  # another step is a manifest still
            verify(place)
        return
    with pytest.raises(DamagedError):
        verify(place)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "..", "", "a/b", "manifest.json", "a\0b"])
def test_a_manifest_cannot_name_what_is_outside(tmp_path: Path, name: str) -> None:
    place = tmp_path / "x"
    place.mkdir()
    (tmp_path / "outside").write_bytes(b"abc")
    entry = write_file(tmp_path / "a", [b"abc"])
    seal(place, 2, {}, {name: entry})
    with pytest.raises(DamagedError):
        verify(place)


def test_a_manifest_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "manifest.json", "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(DamagedError, match="more than any manifest"):
        verify(tmp_path)


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors", "extra"])
def test_what_is_no_plain_file_is_refused(
    folder: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder)
    (place / name).unlink(missing_ok=True)
    if kind == "link":
        (place / name).symlink_to(folder / "run" / "checkpoints" / "step-00000002" / "model.safetensors")
    elif kind == "pipe":
        os.mkfifo(place / name)
    else:
        (place / name).mkdir()
    assert f"`{name}` is no plain file" in refused(folder, place, capsys)


@pytest.mark.parametrize("name", ["step-٠٠٠٠٠٠٠٣", "step-000000003", "step-3", "step-" + "9" * 200])
def test_a_name_that_no_writer_gives_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / "run" / "checkpoints" / name).mkdir(parents=True)
    assert run_here(tmp_path, *QUICK, "train.max_steps=1") == 0


# Tensors.


def header(place: Path, file: str, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Rewrites the header of a safetensors file."""
    data = (place / file).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    values = json.loads(data[8 : 8 + length])
    changed = change(values)
    text = changed if isinstance(changed, bytes) else json.dumps(values).encode()
    (place / file).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return reseal(place)


def first(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for name, one in values.items() if name != "__metadata__")
    return found


HEADERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "overlap": lambda values: first(values).update(data_offsets=[4, 8]),
    "beyond": lambda values: first(values).update(data_offsets=[0, 2**62]),
    "backwards": lambda values: first(values).update(data_offsets=[8, 0]),
    "negative": lambda values: first(values).update(data_offsets=[-8, 0]),
    "huge shape": lambda values: first(values).update(shape=[2**63, 2]),
    "huge product": lambda values: first(values).update(shape=[2**32, 2**32]),
    "dtype": lambda values: first(values).update(dtype="F4096"),
    "other dtype": lambda values: first(values).update(dtype="I32"),
    "lacks": lambda values: first(values).pop("shape"),
    "no object": lambda values: b"[1, 2]",
    "deep": lambda values: b"[" * 100_000,
    "twice": lambda values: json.dumps(values).encode()[:-1] + b", " + json.dumps(values).encode()[1:],
    "metadata": lambda values: values.update(__metadata__={"x": [1]}),
    "empty": lambda values: b"{}",
}


@pytest.mark.parametrize("file", ["model.safetensors", "optim.safetensors"])
@pytest.mark.parametrize("kind", HEADERS)
def test_a_bad_header_is_refused(
    folder: Path, file: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(folder, header(checkpoint(folder), file, HEADERS[kind]), capsys)


@pytest.mark.parametrize("file", ["model.safetensors", "optim.safetensors"])
@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 7, struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 100) + b"{}", pickle.dumps([1])],
)
def test_what_is_no_safetensors_file_is_refused(
    folder: Path, file: str, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder)
    (place / file).write_bytes(data)
    assert "cannot read the tensors of" in refused(folder, reseal(place), capsys)


def test_a_pickle_beside_is_never_opened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = checkpoint(folder, "tuned")
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    assert "cannot " in refused(folder, reseal(place), capsys, *tuned(folder))
    code = run_here(folder, *QUICK, f"model.name_or_path={place}", "model.config=null", run="pickled")
    assert code == 2
    assert "cannot load" in capsys.readouterr().err


# The model's configuration.

CONFIGURATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "many layers": lambda values: values.update(num_layers=10**9),
    "more layers": lambda values: values.update(num_decoder_layers=500),
    "wide": lambda values: values.update(d_model=2**40),
    "a little wide": lambda values: values.update(d_ff=30_000),
    "words": lambda values: values.update(vocab_size=10**12),
    "heads": lambda values: values.update(num_heads=10**7),
    "float": lambda values: values.update(d_model=1e18),
    "text": lambda values: values.update(d_model="x"),
    "list": lambda values: values.update(num_layers=[1]),
    "infinite": lambda values: values.update(dropout_rate=float("inf")),
    "code": lambda values: values.update(auto_map={"AutoConfig": "stranger.Config"}),
    "kernel": lambda values: values.update(attn_implementation="somebody/kernel"),
    "inner kernel": lambda values: values.update(_attn_implementation_internal="somebody/kernel"),
    "kernels": lambda values: values.update(use_kernels=True),
    "kernels by layer": lambda values: values.update(kernel_config={"RMSNorm": "somebody/kernel"}),
    "quantization": lambda values: values.update(quantization_config={"quant_method": "bitsandbytes"}),
    "unknown": lambda values: values.update(model_type="stranger"),
    "no type": lambda values: values.pop("model_type"),
    "type": lambda values: values.update(model_type=["t5"]),
    "causal": lambda values: values.update(model_type="gpt2"),
    "other": lambda values: values.update(model_type="bart"),
    "junk": lambda values: b"\xff",
    "list of all": lambda values: b"[]",
    "deep": lambda values: b"[" * 100_000,
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_a_bad_configuration_is_refused(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = checkpoint(folder, "tuned")
    values = json.loads((place / "config.json").read_bytes())
    changed = CONFIGURATIONS[kind](values)
    text = changed if isinstance(changed, bytes) else json.dumps(values).encode()
    (place / "config.json").write_bytes(text)
    (place / "stranger.py").write_text("raise SystemExit('code of a stranger was run')")
    before = limits.getrusage(limits.RUSAGE_SELF).ru_maxrss
    refused(folder, reseal(place), capsys, *tuned(folder))
    assert limits.getrusage(limits.RUSAGE_SELF).ru_maxrss - before < 500_000, "half a gigabyte"


def test_a_good_configuration_is_taken(folder: Path) -> None:
    place = folder / "tuned" / "checkpoints" / "step-00000002"
    assert read_configuration(place).model_type == "t5"
    assert len(read_header(place / "model.safetensors")) > 10


@pytest.mark.parametrize(
    "values",
    [
        {"_attn_implementation_autoset": True},
        {"conv_kernel": 4},
        {"conv_kernel": [10, 3, 3]},
        {"use_fast_kernels": False},
        {"rope_theta": 1e8},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 100_000_000.0}},
    ],
)
def test_numbers_that_are_no_sizes_are_taken(folder: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    """Widths of convolutions, the bases of rotary positions, and what transformers notes of itself."""
    place = tmp_path / "given"
    shutil.copytree(folder / "tuned" / "checkpoints" / "step-00000002", place)
    known = json.loads((place / "config.json").read_bytes())
    (place / "config.json").write_text(json.dumps(known | values))
    assert read_configuration(place).model_type == "t5"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="no plain file"):
        read_configuration(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b'{"model": {"type": "Unigram", "vocab": [[1]]}}', b"[" * 10_000]
)
def test_a_bad_tokenizer_of_a_stranger_is_refused(
    folder: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkpoint(folder, "tuned")
    (place / "tokenizer.json").write_bytes(data)
    given = (*QUICK, "model.config=null", "data.tokenizer=null", "--init-from", str(reseal(place)))
    shutil.rmtree(folder / "new", ignore_errors=True)
    capsys.readouterr()
    assert run_here(folder, *given, run="new") == 2
    assert "tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data", [b"[]", b"\xff", b"[" * 100_000, b'{"num_beams": 1000000, "eos_token_id": "x"}']
)
def test_how_a_stranger_generates_is_not_taken(folder: Path, data: bytes) -> None:
    place = checkpoint(folder, "tuned")
    (place / "generation_config.json").write_bytes(data)
    given = ("model.config=null", "data.tokenizer=null", "eval.every_steps=1", "train.max_steps=1")
    shutil.rmtree(folder / "new", ignore_errors=True)
    assert run_here(folder, *given, "--init-from", str(reseal(place)), run="new") in (0, 2)
