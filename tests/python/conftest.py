"""Fixtures that several test files share."""

import pytest
from chefgenius import TokenStore
from samples import build, recipes


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """47 recipes: 12 batches of 4, the last one short."""
    return build(tmp_path_factory.mktemp("store"), recipes(47))
