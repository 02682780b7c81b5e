"""A Lightning Trainer that the loader feeds goes on exactly wherever it was cut, as the guide has it."""

from functools import partial
from pathlib import Path

import pytest
from chefgenius import TokenStore
from guide import CUTS, EPOCHS, Watch, assert_survives, execute

pytestmark = pytest.mark.filterwarnings(
    "ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"  # Lightning asks torch that way
)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the guide leaves to Lightning's defaults."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}.items():
        monkeypatch.setenv(f"PL_TRAINER_{name.upper()}", str(value))


def run(folder: Path, window: int, watch: Watch) -> None:
    """The guide's code."""
    execute(
        "Lightning",
        0,
        loader=watch.loader,
        model=watch.model,
        epochs=EPOCHS,
        window=window,
        save_every=1,
        folder=folder,
    )


@pytest.mark.parametrize(("window", "cuts"), CUTS)
def test_a_run_that_is_cut_off_goes_on_exactly(
    store: TokenStore, tmp_path: Path, window: int, cuts: tuple[int, ...]
) -> None:
    whole, parts = partial(run, tmp_path / "whole", window), partial(run, tmp_path / "parts", window)
    assert_survives(store, whole, parts, window, cuts)
