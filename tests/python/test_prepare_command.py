"""The command `python -m chefgenius.prepare`, as a process: formats, what it prints, its exit codes."""

import csv
import fcntl
import io
import json
import lzma
import os
import pty
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chefgenius import Recipe, TokenStore
from chefgenius.cookbook import TOKENIZER
from chefgenius.prepare import columns, main, parser, request
from samples import build, prepare_command, recipes, run_python, write_lines

PARQUET = Path(__file__).parents[1] / "golden" / "recipes.parquet"
"""`recipes(12)` as pyarrow writes them: lists of strings, Snappy, three row groups."""


def page(recipe: dict[str, Any]) -> str:
    """A recipe as a page of Markdown."""
    ingredients = "".join(f"- {item}\n" for item in recipe["ingredients"])
    steps = "".join(f"{number}. {step}\n" for number, step in enumerate(recipe["directions"], 1))
    return f"# {recipe['title']}\n\n## Ingredients\n\n{ingredients}\n## Directions\n\n{steps}"


def as_lines(folder: Path, made: list[dict[str, Any]]) -> Path:
    path = folder / "recipes.jsonl.xz"
    path.write_bytes(lzma.compress("".join(json.dumps(recipe) + "\n" for recipe in made).encode()))
    return path


def as_array(folder: Path, made: list[dict[str, Any]]) -> Path:
    path = folder / "array.json"
    path.write_text(json.dumps(made, indent=1))
    return path


def as_object(folder: Path, made: list[dict[str, Any]]) -> Path:
    path = folder / "object.json"
    path.write_text(json.dumps({f"id-{number}": recipe for number, recipe in enumerate(made)}))
    return path


def as_table(folder: Path, made: list[dict[str, Any]], name: str, delimiter: str) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(["", "title", "ingredients", "directions", "link", "source", "NER"])
        for number, recipe in enumerate(made):
            cells = [json.dumps(recipe[part]) for part in ("ingredients", "directions")]
            table.writerow([number, recipe["title"], *cells, "nowhere", "nobody", "[]"])
    return path


def as_csv(folder: Path, made: list[dict[str, Any]]) -> Path:
    return as_table(folder, made, "table.csv", ",")


def as_tsv(folder: Path, made: list[dict[str, Any]]) -> Path:
    return as_table(folder, made, "table.tsv", "\t")


def as_parquet(folder: Path, made: list[dict[str, Any]]) -> Path:
    assert made == recipes(12)
    return PARQUET


def as_pages(folder: Path, made: list[dict[str, Any]]) -> Path:
    for number, recipe in enumerate(made):
        path = folder / "pages" / f"part{number // 6}" / f"{number:03}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(recipe))
    (folder / "pages" / "LICENSE").write_text("Do as you like.")
    return folder / "pages"


def as_tar(folder: Path, made: list[dict[str, Any]]) -> Path:
    with tarfile.open(folder / "pages.tar.xz", "w:xz") as tar:
        for number, recipe in enumerate(made):
            content = page(recipe).encode()
            head = tarfile.TarInfo(f"book/{number:03}.md")
            head.size = len(content)
            tar.addfile(head, io.BytesIO(content))
    return folder / "pages.tar.xz"


FORMATS: dict[str, Callable[[Path, list[dict[str, Any]]], Path]] = {
    "JSON Lines, xz": as_lines,
    "JSON array": as_array,
    "JSON object of records": as_object,
    "CSV": as_csv,
    "TSV": as_tsv,
    "Parquet": as_parquet,
    "12 files: Markdown (1 skipped)": as_pages,
    "Markdown in tar, xz": as_tar,
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """`recipes(12)`, prepared from JSON Lines."""
    return build(tmp_path_factory.mktemp("expected"), recipes(12))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_store(tmp_path: Path, expected: TokenStore, form: str) -> None:
    source = FORMATS[form](tmp_path, recipes(12))
    done = prepare_command(source, "--out", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout, str(source)) == [str(source), form, "12", "12", "0", "0"]
    assert TokenStore.open(tmp_path / "store").fingerprint == expected.fingerprint


def row(printed: str, first: str) -> list[str]:
    """The cells of the one line of a table that begins with this cell."""
    [line] = [line for line in printed.splitlines() if line.startswith(f"{first}  ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_glob_names_every_file_that_it_matches(tmp_path: Path) -> None:
    for number, part in enumerate((recipes(12)[:5], recipes(12)[5:])):
        write_lines(tmp_path / f"d{number}" / "part.jsonl", part)
    write_lines(tmp_path / "d0" / "other.json", recipes(3, seed=1))
    done = prepare_command(tmp_path / "**" / "*.jsonl", "--out", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout, str(tmp_path / "d0" / "part.jsonl"))[2:] == ["5", "5", "0", "0"]
    assert row(done.stdout, str(tmp_path / "d1" / "part.jsonl"))[2:] == ["7", "7", "0", "0"]
    assert row(done.stdout, "all") == ["all", "2 sources", "12", "12", "0", "0"]
    nothing = prepare_command(tmp_path / "*.nothing", "--out", tmp_path / "none")
    assert nothing.returncode == 2
    assert "*.nothing" in nothing.stderr


def test_a_map_names_the_fields_of_a_source(tmp_path: Path, expected: TokenStore) -> None:
    names = {"title": "called", "ingredients": "take", "directions": "do"}
    renamed = [{names[part]: value for part, value in recipe.items()} for recipe in recipes(12)]
    source = write_lines(tmp_path / "own.jsonl", renamed)
    bare = prepare_command(source, "--out", tmp_path / "store")
    assert bare.returncode == 2
    assert "line 1" in bare.stderr
    words = ("--map", "title=called,ingredients=take", "--map", "directions = do")
    assert prepare_command(source, "--out", tmp_path / "store", *words).returncode == 0
    assert TokenStore.open(tmp_path / "store").fingerprint == expected.fingerprint
    wrong = prepare_command(source, "--out", tmp_path / "store", "--map", "colour=red")
    assert wrong.returncode == 2
    assert "`colour`" in wrong.stderr


@pytest.mark.parametrize(
    "given", ["title", "title=", "=name", "title=a,,directions=b", "title=a,title=b", ""]
)
def test_what_is_no_map_is_named(given: str) -> None:
    with pytest.raises(ValueError, match="--map"):
        columns([given])


def test_what_is_left_out_is_counted_by_its_reason(tmp_path: Path) -> None:
    whole = recipes(12)
    odd = [
        {**whole[0], "title": "The same again"},
        {"title": "Nothing", "ingredients": [], "directions": [""]},
        "{",
    ]
    scored = [{**recipe, "quality_score": number / 12} for number, recipe in enumerate(whole)]
    source = write_lines(tmp_path / "recipes.jsonl", [*scored, *odd])
    out = ("--out", tmp_path / "store", "--on-error", "skip")
    done = prepare_command(source, *out)
    assert done.returncode == 0, done.stderr
    assert row(done.stdout, str(source))[2:] == ["15", "12", "2", "1"]
    assert "1 empty, 1 duplicate" in done.stdout
    assert f"{source}, line 15, byte " in done.stdout
    kept = prepare_command(source, *out, "--keep-duplicates")
    assert row(kept.stdout, str(source))[2:] == ["15", "13", "1", "1"]
    good = prepare_command(source, *out, "--min-quality", 0.5)
    assert row(good.stdout, str(source))[3] == "7", "the copy has no quality, and its original is gone"
    lengths = sorted(
        len(store.record(number).target_ids)
        for store in [build(tmp_path / "all", whole)]
        for number in range(12)
    )
    short, long = lengths[3], lengths[8]
    cut = prepare_command(source, *out, "--min-tokens", short, "--max-tokens", long)
    assert row(cut.stdout, str(source))[3] == str(sum(short <= length <= long for length in lengths))
    assert row(cut.stdout, str(source))[2] == "15"


def test_a_damaged_store_is_built_again_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_lines(tmp_path / "recipes.jsonl", recipes(50)), tmp_path / "store"
    words = [str(source), "--tokenizer", str(TOKENIZER), "--out", str(out)]
    assert main(words) == 0
    (shard,) = out.glob("store-*/shard-*")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    capsys.readouterr()
    assert main(words) == 0
    (aside,) = out.glob("*.bad-1")
    assert f"warning: the store was damaged: set aside as `{aside}`" in capsys.readouterr().err
    assert shard.read_bytes() == whole
    assert main(words) == 0
    assert "damaged" not in capsys.readouterr().err


def test_quality_is_computed_where_it_is_asked_for(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(3))
    stores = []
    for words in ((), ("--quality",)):
        assert prepare_command(source, "--out", tmp_path / f"store{len(words)}", *words).returncode == 0
        stores.append(TokenStore.open(tmp_path / f"store{len(words)}"))
    assert [stores[0].record(number).quality for number in range(3)] == [None] * 3
    assert all(0 < (stores[1].record(number).quality or 0) <= 1 for number in range(3))


def test_loss_is_warned_of_loudly(tmp_path: Path) -> None:
    foreign = {"title": "汤", "ingredients": ["2 汤匙 盐"], "directions": ["煮 30 分钟"]}
    source = write_lines(tmp_path / "recipes.jsonl", [*recipes(2), foreign])
    done = prepare_command(source, "--out", tmp_path / "store")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines[0].startswith("WARNING: only 66.66 % of the records")
    assert any("written" in line and "汤" in line for line in lines)
    assert any("read back" in line and "汤" not in line for line in lines)
    assert "`汤`" in done.stderr
    assert f"{source}, line 3, byte " in done.stderr
    again = prepare_command(source, "--out", tmp_path / "store")
    assert again.stderr.startswith("WARNING: only 66.66 % of the records"), "warned of as well, in short"
    assert again.stderr.count("\n") == 1
    assert f"`{tmp_path / 'store' / 'report.json'}`" in again.stderr
    ascii_only = subprocess.run(
        [sys.executable, "-m", "chefgenius.prepare", "--inspect", str(tmp_path / "store"), "--records", "2"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
    )
    assert ascii_only.returncode == 0, ascii_only.stderr
    fine = prepare_command(write_lines(tmp_path / "fine.jsonl", recipes(2)), "--out", tmp_path / "fine")
    assert fine.stderr == ""


def test_inspect_prints_records_back(tmp_path: Path) -> None:
    tokenizer = tmp_path / "gone.json"
    tokenizer.write_bytes(TOKENIZER.read_bytes())
    store = build(tmp_path, recipes(12), tokenizer=tokenizer)
    tokenizer.unlink()

    def inspect(*words: object) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-m", "chefgenius.prepare", "--inspect", str(tmp_path / "store")]
        return subprocess.run([*arguments, *map(str, words)], capture_output=True, text=True, timeout=60)

    done = inspect()
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line for line in done.stdout.splitlines() if line.startswith("record ")]
    assert [line.split(":")[0] for line in heads] == ["record 0", "record 1", "record 2"]
    some = inspect("--records", "7,2-3,11-", "--ids")
    for number in (7, 2, 3, 11):
        recipe, stored = recipes(12)[number], store.record(number)
        block = some.stdout.split(f"record {number}: ")[1].split("\n\n")[0]
        assert f"{tmp_path / 'recipes.jsonl'}, number {number}, no quality" in block
        assert f"Write a recipe for {recipe['title']}. Ingredients: " in block
        assert f"    title: {recipe['title']}\n" in block
        assert [line[8:] for line in block.splitlines() if line.startswith("      - ")] == recipe[
            "ingredients"
        ]
        assert all(step in block for step in recipe["directions"])
        assert f"  target ids {' '.join(map(str, stored.target_ids))}" in block
        assert f"prompt, {len(stored.prompt_ids)} tokens" in block
    assert some.stdout.count("record ") >= 4
    assert some.stdout.index("record 7: ") < some.stdout.index("record 2: ")
    for words, named in (
        (("--records", "12"), "0 to 11"),
        (("--records", "3-1"), "3-1"),
        (("--records", "two"), "two"),
        (("--records", ""), "--records"),
        (("--out", "elsewhere"), "out"),
        ((tmp_path / "recipes.jsonl",), "sources"),
    ):
        wrong = inspect(*words)
        assert (wrong.returncode, wrong.stdout) == (2, ""), words
        assert wrong.stderr.startswith("error: ")
        assert named in wrong.stderr
        assert wrong.stderr.count("\n") == 1


def test_inspect_shows_a_text_that_is_no_recipe(tmp_path: Path) -> None:
    build(tmp_path, [{"input": "Hello", "output": "No recipe at all."}])
    done = prepare_command("--inspect", tmp_path / "store", "--records", 0)
    assert done.returncode == 2, "a tokenizer is of no use here"
    words = [
        sys.executable,
        "-m",
        "chefgenius.prepare",
        "--inspect",
        str(tmp_path / "store"),
        "--records",
        "0",
    ]
    printed = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "no recipe: No recipe at all." in printed


def test_inspect_ends_with_its_reader(tmp_path: Path) -> None:
    build(tmp_path, recipes(400))
    line = f"{sys.executable} -m chefgenius.prepare --inspect {tmp_path / 'store'} --records 0- | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_help_fits_a_screen_and_loads_nothing() -> None:
    text = parser().format_help()
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("example:") == 1
    code = """
from chefgenius.prepare import main
try:
    main(["--help"])
except SystemExit as done:
    assert done.code == 0
print([name for name in ("torch", "numpy", "rich", "chefgenius._core") if name in sys.modules])
"""
    assert run_python(code).splitlines()[-1] == "[]"


def test_the_command_loads_no_torch(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(3))
    code = """
from chefgenius.prepare import main
assert main(sys.argv[1:]) == main(["--inspect", sys.argv[-1]]) == 0
print([name for name in ("torch", "transformers", "tokenizers", "rich") if name in sys.modules])
"""
    words = (source, "--tokenizer", TOKENIZER, "--out", tmp_path / "store")
    assert run_python(code, *words).splitlines()[-1] == "[]"


def test_every_option_reaches_prepare() -> None:
    words = ["a", "b", "--tokenizer", "t", "--out", "o", "--map", "title=x", "--on-error", "skip"]
    words += ["--max-bad", "3", "--quality", "--min-quality", "0.5", "--min-tokens", "2", "--max-tokens", "9"]
    words += ["--keep-duplicates", "--no-respell", "--tokenize", "library", "--threads", "2"]
    words += ["--prompt-template", "{title}", "--target-template", "{recipe}"]
    assert request(vars(parser().parse_args(words))) == {
        "sources": ["a", "b"], "tokenizer": "t", "out": "o", "columns": {"title": "x"}, "on_error": "skip",
        "max_bad": 3, "score_quality": True, "min_quality": 0.5, "min_tokens": 2, "max_tokens": 9,
        "keep_duplicates": True, "respell": False, "tokenize": "library", "threads": 2,
        "prompt_template": "{title}", "target_template": "{recipe}",
    }  # fmt: skip


def in_a_terminal(words: list[str], until: Callable[[bytes], bool] | None = None) -> tuple[int, str]:
    """Exit code and output of a process whose three streams are a terminal of 100 columns.

    It is sent Ctrl-C, by the terminal, when `until` holds of what it has written.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(
        words, stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
    ) as process:
        os.close(follower)
        written, sent, end = b"", False, time.monotonic() + 60
        while time.monotonic() < end:
            try:
                part = os.read(leader, 1 << 16)
            except OSError:  # so ends what is read of a terminal whose process is gone
                break
            written += part
            if until and not sent and until(written):
                sent = True
                process.send_signal(signal.SIGINT)
        code = process.wait(30)
    os.close(leader)
    return code, written.decode()


def test_a_terminal_gets_a_bar_and_a_table(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(2000) * 20)
    words = [sys.executable, "-m", "chefgenius.prepare", str(source), "--keep-duplicates"]
    words += ["--tokenizer", str(TOKENIZER), "--out", str(tmp_path / "store")]
    code, printed = in_a_terminal(words)
    assert code == 0, printed
    assert "preparing" in printed
    assert "records/s" in printed
    assert "\x1b[" in printed
    assert printed.count("\x1b[?25l") == printed.count("\x1b[?25h") > 0, "the cursor is back"
    piped = subprocess.run(words, capture_output=True, timeout=60)
    assert piped.returncode == 0
    assert not {0x1B, 0x0D, 0x08} & set(piped.stdout + piped.stderr)


def test_ctrl_c_in_a_terminal_takes_the_bar_away(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "many.jsonl", recipes(2000) * 100)
    words = [sys.executable, "-m", "chefgenius.prepare", str(source), "--keep-duplicates"]
    words += ["--tokenizer", str(TOKENIZER), "--out", str(tmp_path / "store")]
    code, printed = in_a_terminal(words, lambda written: b"preparing" in written)
    assert code == 130, printed
    assert "interrupted: the former store, if there was one, is still in use" in printed
    assert "Traceback" not in printed
    assert printed.count("\x1b[?25l") == printed.count("\x1b[?25h") > 0
    assert not (tmp_path / "store" / "current").exists()
    assert not (tmp_path / "store" / ".building").exists()


def test_the_exit_codes(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", [*recipes(3), "{", "42"])
    out = ("--out", tmp_path / "store")
    cases = [
        (2, "line 4, byte ", (source, *out)),
        (2, "max_bad", (source, *out, "--on-error", "skip", "--max-bad", 1)),
        (2, "max_bad", (source, *out, "--on-error", "skip", "--max-bad", -1)),
        (2, "none.jsonl", (tmp_path / "none.jsonl", *out)),
        (2, "tokenizer.json", (source, *out, "--tokenizer", tmp_path)),
        (2, "not a tokenizer", (source, *out, "--tokenizer", source)),
        (2, "nutrition", (source, *out, "--target-template", "{nutrition}")),
        (2, "--map", (source, *out, "--map", "title")),
        (2, "threads", (source, *out, "--threads", 0)),
        (2, "min_quality", (source, *out, "--min-quality", "nan")),
        (2, "max_tokens", (source, *out, "--min-tokens", 9, "--max-tokens", 3)),
        (2, "--records", (source, *out, "--records", "0")),
        (2, "`--out`", (source,)),
        (2, "`SOURCE`", out),
        (2, "--wat", (source, *out, "--wat")),
        (2, "invalid int value", (source, *out, "--threads", "many")),
        (2, "is a file, no directory: give another", (source, "--out", source)),
        (2, "is a file, no directory: give another", (source, "--out", source / "x")),
        (2, "`/proc/nope`: no directory can be made there", (source, "--out", "/proc/nope")),
    ]
    for code, named, arguments in cases:
        done = prepare_command(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert done.stderr.startswith("error: "), done.stderr
        assert named in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stdout == ""
    assert not (tmp_path / "store" / "current").exists()


def test_a_second_call_says_that_it_did_nothing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(12))
    words = (source, "--out", tmp_path / "store")
    first, second = prepare_command(*words), prepare_command(*words)
    assert "already built" not in first.stdout
    assert "already built" in second.stdout
    assert row(second.stdout, str(source)) == row(first.stdout, str(source))
    write_lines(source, recipes(14))
    third = prepare_command(*words)
    assert row(third.stdout, str(source))[3] == "14"
    assert "12 taken over" in third.stdout
    assert Recipe.parse(Recipe(**recipes(1)[0]).text()) == Recipe(**recipes(1)[0])
