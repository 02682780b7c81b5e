"""The file of what is to be left out is one that training takes."""

from pathlib import Path

import pytest
from chefgenius.data.course import Leg
from chefgenius.inspecting.leaving_out import Doomed, command, write
from chefgenius.run.inventory import NotFoundError
from chefgenius.training.dataset import _read_tombstones


def leg(*masked: int) -> Leg:
    return Leg(0, 0, 0, "b3:1", "b3:2", 1, 42, list(masked), {})


def test_training_reads_what_was_written_with_all_that_it_left_out_before(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    odd = "a.jsonl, line 3: Soup # 7\nand 9\x1b[31m"
    groups = {"step 3": [Doomed(5, odd), Doomed(2, "b")], "step\n9": [Doomed(5, "again"), Doomed(7, "c")]}
    assert write(file, leg(2, 9), groups) == 2
    assert _read_tombstones(str(file), 10) == [2, 9, 5, 7]
    text = file.read_text()
    assert "5  # a.jsonl, line 3: Soup # 7 and 9?[31m\n" in text
    assert text.index("# left out already") < text.index("# step 3") < text.index("# step 9")


def test_no_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("1\n")
    with pytest.raises(NotFoundError, match="is there already: give the name of a new file"):
        write(file, leg(), {"step 1": [Doomed(3, "")]})
    assert file.read_text() == "1\n"


def test_the_command_is_one_that_a_shell_takes() -> None:
    told = command(Path("runs/it's mine"), Path("bad.txt"))
    assert told.startswith("chefgenius train 'runs/it'\"'\"'s mine/config.yaml' data.tombstones=bad.txt ")
