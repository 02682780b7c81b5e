"""The tokenizer on its way out: ids back to text, and the files that a checkpoint needs of it.

Text of recipes becomes ids in the Rust core alone; here only what stands around it does.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from chefgenius.settings.config import ConfigError

_COMPANIONS = ("tokenizer_config.json", "special_tokens_map.json")


class TextDecoder:
    """Reads one tokenizer.json."""

    def __init__(self, path: Path) -> None:
        """`path` is a tokenizer.json or a directory holding one. Raises FileNotFoundError or ConfigError."""
        self.path = path / "tokenizer.json" if path.is_dir() else path
        if not self.path.is_file():
            raise FileNotFoundError(f"no such file: `{self.path}`: check the path in `data.tokenizer`")
        self._data = self.path.read_bytes()
        try:
            self._tokenizer = Tokenizer.from_buffer(self._data)
        except ValueError as error:
            raise ConfigError(
                f"cannot use tokenizer `{self.path}`: {error}: "
                "give a tokenizer.json of the tokenizers library"
            ) from None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def begin_id(self) -> int | None:
        """The id that the tokenizer itself puts before a text, as Llama's does and GPT-2's does not."""
        bare = self._ids("a")
        whole: list[int] = self._tokenizer.encode("a", add_special_tokens=True).ids
        return whole[0] if whole[1 : 1 + len(bare)] == bare else None

    def between(self, text: str) -> tuple[int, ...]:
        """The ids of a text that stands between two others; none where the tokenizer drops it."""
        before, whole = self._ids("a"), self._ids(f"a{text}b")
        if whole[: len(before)] == before and len(whole) > len(before):
            return tuple(whole[len(before) : -1])  # what merged with the text after it is that text's
        return tuple(self._ids(text))

    def token(self, number: int) -> str:
        """The token with this id, as tokenizer.json spells it."""
        return str(self._tokenizer.id_to_token(number))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def files(self, pad_token_id: int, eos_token_id: int) -> dict[str, bytes]:
        """tokenizer.json byte for byte, and what `AutoTokenizer` needs besides to open it as it is."""
        files = {"tokenizer.json": self._data}
        for name in _COMPANIONS:
            beside = self.path.with_name(name)
            if self.path.name == "tokenizer.json" and beside.is_file():
                files[name] = beside.read_bytes()
        if "tokenizer_config.json" not in files:
            settings = {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "pad_token": self._tokenizer.id_to_token(pad_token_id),
                "eos_token": self._tokenizer.id_to_token(eos_token_id),
            }
            if (unknown := self._unknown_token()) is not None:
                settings["unk_token"] = unknown
            files["tokenizer_config.json"] = (json.dumps(settings, indent=2) + "\n").encode()
        return files

    def _unknown_token(self) -> str | None:
        model: dict[str, Any] = json.loads(self._data)["model"]
        if isinstance(model.get("unk_id"), int):
            return str(model["vocab"][model["unk_id"]][0])
        token = model.get("unk_token")
        return token if isinstance(token, str) else None
