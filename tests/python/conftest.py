"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chefgenius import TokenStore
from faults.shim import compiled
from installed import Clean, build_wheel, install
from samples import build, recipes

if TYPE_CHECKING:
    from running import Nursery  # imports torch

# A shell that runs the suite in the background makes it ignore Ctrl-C, and every child process inherits
# that; the tests send it to their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """47 recipes: 12 batches of 4, the last one short."""
    return build(tmp_path_factory.mktemp("store"), recipes(47))


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """The process that forks trainers: one for all tests, since it takes seconds to start."""
    from running import Nursery

    folder = tmp_path_factory.mktemp("nursery")
    made = Nursery(folder, compiled(folder))
    yield made
    made.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as a wheel; it takes minutes where nothing is compiled yet."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment in which that wheel is installed."""
    return install(wheel, tmp_path_factory.mktemp("clean"))


@pytest.fixture
def clean(scripts: Path, tmp_path: Path) -> Clean:
    """That environment, in an empty folder."""
    return Clean(scripts, tmp_path)


@pytest.fixture
def faulty(nursery: Nursery) -> Nursery:
    """The same, where its children can be armed with `Faults`."""
    if nursery.shim is None:
        pytest.skip("without a C compiler `cc` no file operation can be broken")
    return nursery


@pytest.fixture(scope="module")
def no_leftovers() -> None:
    """Ends the loaders that other files left in reference cycles, such as those of Lightning's trainers."""
    gc.collect()


@pytest.fixture
def collected_here() -> Iterator[None]:
    """Lets only this thread collect reference cycles, and does so at the end.

    torchdata's nodes stand in cycles and join their thread when they are deleted, which fails when it is that
    very thread that happens to collect them.
    """
    gc.disable()
    yield
    gc.collect()
    gc.enable()
