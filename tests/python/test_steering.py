"""Nothing that a stranger's checkpoint says steers the terminal of who reads it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from running import run_here
from safetensors.torch import load_file, save_file
from test_stranger import QUICK, checkpoint, folder, reseal, tuned, with_sections

__all__ = ["folder"]  # a fixture


@pytest.mark.parametrize("explain", [(), ("--explain",)])
def test_no_name_or_value_of_a_stranger_steers_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], explain: tuple[str, ...]
) -> None:
    steer = "\x1b[31mred"

    def strange(sections: dict[str, Any]) -> None:
        sections["progress"]["epoch"] = sections["progress"]["index"] = steer

    def printed(words: Sequence[str], place: Path) -> str:
        shutil.rmtree(folder / "new", ignore_errors=True)
        capsys.readouterr()
        assert run_here(folder, *words, "--resume", str(place), *explain, run="new") == 3
        told = capsys.readouterr()
        assert "\x1b" not in told.out + told.err
        return told.out + told.err

    told = printed(QUICK, with_sections(checkpoint(folder), strange))
    assert ("epoch ?[31mred" in told) == bool(explain)
    place = checkpoint(folder, "tuned")
    (place / "config.json").write_text(json.dumps({"model_type": steer}))
    assert "has no `model_type` `?[31mred`" in printed(tuned(folder), reseal(place))
    place = checkpoint(folder)
    (place / steer).touch()
    assert "`?[31mred` does not belong to it" in printed(QUICK, place)
    place = checkpoint(folder)
    weights = load_file(place / "model.safetensors")
    weights[steer] = weights.pop("shared.weight").clone()
    save_file(weights, place / "model.safetensors")
    assert "such as `?[31mred`" in printed(QUICK, reseal(place))
