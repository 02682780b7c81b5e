"""The command `doctor`: a line for each finding, and 1 where one is a failure."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chefgenius import doctor

TOLD: dict[str, Any] = {
    "steps": 60, "killed_at": 27, "resumed_from": 20, "differing": [], "torch": "2.15.0", "cuda": None,
    "devices": [], "bf16": False, "threads": 2,
}  # fmt: skip


def examined(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, **changes: Any
) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "_ask", lambda folders, advance: ({**TOLD, **changes}, ""))
    code = doctor.main([str(folder)])
    return code, capsys.readouterr().out


def test_a_machine_that_is_well_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out = examined(monkeypatch, capsys, tmp_path / "not" / "there")
    assert code == 0, out
    lines = out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [
        "python", "machine", "versions", "build", "disk", "cuda", "threads", "resume", "extras",
    ]  # fmt: skip
    assert all(line.startswith(("ok    ", "note  ")) for line in lines[:-1])
    assert "killed at step 27, went on from step 20, equal to the byte after 60 steps" in out
    assert lines[-1] == "all is well"
    assert not list(tmp_path.iterdir()), "nothing is left"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"differing": ["model", "metrics.jsonl"]}, "differs in model, metrics.jsonl"),
        ({"problem": "a tiny run ended with 74: no room"}, "a tiny run ended with 74: no room"),
    ],
)
def test_a_resume_that_is_not_exact_is_a_failure(
    changes: dict[str, Any],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    code, out = examined(monkeypatch, capsys, tmp_path, **changes)
    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("FAIL  resume") and told in line]
    assert out.endswith("1 of 9 checks failed\n")


def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("chefgenius._core.DEBUG_BUILD", True)
    assert doctor.of_build() == doctor.Finding(
        "FAIL", "build", "debug, many times slower: `maturin develop --release`"
    )
    monkeypatch.setattr(doctor, "requires", lambda name: ["torch<2", "nosuchpackage", "peft<0; extra == 'x'"])
    found = doctor.of_versions()
    assert found.status == "FAIL"
    assert "torch is 2." in found.told
    assert "needed is <2; nosuchpackage is not installed" in found.told
    monkeypatch.setattr(doctor, "EXTRAS", {"a": ("json",), "b": ("json", "nosuchpackage")})
    assert doctor.of_extras().told == "a; others: `pip install 'chefgenius[b]'`"
    monkeypatch.setattr(doctor, "ROOM", 10**18)
    assert doctor.of_disk(tmp_path).told.endswith("little room for checkpoints")
    file = tmp_path / "file"
    file.touch()
    assert doctor.of_disk(file).status == "FAIL"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(doctor, "_ask", lambda folders, advance: ({**TOLD, "devices": ["H200"]}, ""))
    cuda, threads = doctor.of_torch(tmp_path, quick=True)
    assert (cuda.status, "H200, no bf16" in cuda.told) == ("ok", True)
    assert "OMP_NUM_THREADS=3" in threads.told


def test_a_torch_that_does_not_start_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart is not here')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(doctor.__file__).parents[1]}")
    assert doctor.main([str(tmp_path), "--json", "--quick"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert [one["told"] for one in findings if one["status"] == "FAIL"] == [
        "cannot be used: OSError: libcudart is not here"
    ]


@pytest.mark.long
def test_the_whole_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chefgenius", "doctor", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "equal to the byte after 60 steps" in done.stdout
    assert not list(tmp_path.iterdir())
