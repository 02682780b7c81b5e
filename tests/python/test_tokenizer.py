import json
from pathlib import Path

import pytest
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.store import TokenStore
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.settings.config import ConfigError
from tokenizers import Tokenizer
from transformers import AutoTokenizer

TEXT = "title: Lemon Rice | ingredients: 1 1/2 cups rice | directions: Cook the rice."


def test_ids_become_text_without_special_tokens() -> None:
    ids = Tokenizer.from_file(str(TOKENIZER)).encode(TEXT).ids
    assert ids[-1] == 1
    assert TextDecoder(TOKENIZER).decode([0, *ids, 0]) == TEXT


def test_a_directory_may_stand_for_its_file() -> None:
    assert TextDecoder(TOKENIZER.parent).path == TOKENIZER


def test_the_files_open_with_auto_tokenizer(tmp_path: Path, store: TokenStore) -> None:
    files = TextDecoder(TOKENIZER).files(store.pad_token_id, store.eos_token_id)
    assert files["tokenizer.json"] == TOKENIZER.read_bytes()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    opened = AutoTokenizer.from_pretrained(tmp_path)
    assert opened(TEXT).input_ids == Tokenizer.from_file(str(TOKENIZER)).encode(TEXT).ids
    assert (opened.pad_token_id, opened.eos_token_id, opened.unk_token_id) == (0, 1, 2)


def test_settings_beside_the_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"mine": 1}))
    files = TextDecoder(tmp_path).files(0, 1)
    assert json.loads(files["tokenizer_config.json"]) == {"mine": 1}


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"check the path in `data.tokenizer`"):
        TextDecoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ConfigError, match="cannot use tokenizer"):
        TextDecoder(tmp_path)
