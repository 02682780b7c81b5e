"""Whatever stops `prepare`, the former store stays in use and the next call finds no mess."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chefgenius import TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import build, digest, files_below, load, python, recipes, write_lines

SLOW = """
import time
from chefgenius import prepare
def progress(stage, done, total, records):
    if stage == "read":
        print("building", flush=True)
        time.sleep(60)
prepare([sys.argv[1]], tokenizer=sys.argv[2], out=sys.argv[3], progress=progress)
"""
"""A `prepare` that stands still when it begins to read."""

THREADED = """
from chefgenius import prepare
print("begun", flush=True)
prepare([sys.argv[1]], tokenizer=sys.argv[2], out=sys.argv[3], threads=3)
"""

LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv[1:] = sys.argv[2:]
runpy.run_module("chefgenius.prepare", run_name="__main__")
"""
"""The command under a limit on the size of files: as on a full disk, since Python ignores SIGXFSZ."""


class Stopped(Exception):
    """What a caller's own progress function may raise."""


def stores(out: Path) -> list[str]:
    return sorted(path.name for path in out.glob("store-*"))


@pytest.mark.parametrize("when", ["hash", "read", "write"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped, SystemExit])
def test_an_exception_in_progress_leaves_no_half_store(
    tmp_path: Path, error: type[BaseException], when: str
) -> None:
    former = build(tmp_path, recipes(30))
    before = files_below(tmp_path / "store")

    def progress(stage: str, done: int, total: int, records: int) -> None:
        if stage == when:
            raise error

    with pytest.raises(error):
        build(tmp_path, recipes(60), progress=progress)
    assert files_below(tmp_path / "store") == before
    assert TokenStore.open(tmp_path / "store").fingerprint == former.fingerprint
    with pytest.raises(error):
        build(tmp_path / "new", recipes(60), progress=progress)
    assert set(files_below(tmp_path / "new" / "store")) <= {".lock"}
    with pytest.raises(FileNotFoundError):
        TokenStore.open(tmp_path / "new" / "store")
    assert len(build(tmp_path, recipes(60))) == 60


def test_a_kill_leaves_the_former_store_and_the_next_call_cleans_up(tmp_path: Path) -> None:
    former = build(tmp_path, recipes(30))
    batches = digest(load(former))
    before = set(os.listdir(tmp_path / "store"))
    source = write_lines(tmp_path / "recipes.jsonl", recipes(60))
    for _ in range(2):
        with subprocess.Popen(
            python(SLOW, source, TOKENIZER, tmp_path / "store"), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "building\n"
            process.kill()
            assert process.wait(30) == -signal.SIGKILL
        assert set(os.listdir(tmp_path / "store")) - before == {".building"}
        store = TokenStore.open(tmp_path / "store")
        store.verify()
        assert digest(load(store)) == batches
    new = prepare([source], tokenizer=TOKENIZER, out=tmp_path / "store")
    assert len(new) == 60
    assert set(os.listdir(tmp_path / "store")) - before == {new.path.name}
    assert digest(load(former)) == batches, "a store that is open stays whole"


def test_a_kill_at_any_time_leaves_the_former_store_or_the_new_one(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(30))
    out = tmp_path / "store"
    former = prepare([source], tokenizer=TOKENIZER, out=out).fingerprint
    write_lines(source, recipes(3000) * 4)
    new = prepare([source], tokenizer=TOKENIZER, out=tmp_path / "elsewhere").fingerprint
    found = []
    for turn in range(12):
        with subprocess.Popen(
            python(THREADED, source, TOKENIZER, out), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(turn * 0.02)
            process.kill()
            process.wait(30)
        store = TokenStore.open(out)
        store.verify()
        assert store.fingerprint in (former, new)
        found.append(store.fingerprint)
    assert former in found, "the first kill came before the store could be there"
    assert prepare([source], tokenizer=TOKENIZER, out=out).fingerprint == new
    assert not (out / ".building").exists()
    assert not list(out.glob(".*.new"))


def test_ctrl_c_stops_the_command(tmp_path: Path) -> None:
    former = build(tmp_path, recipes(5)).fingerprint
    # Long enough to be met while it reads; the first lines of progress are not seen without a terminal.
    source = write_lines(tmp_path / "many.jsonl", recipes(1000) * 60)
    words = [str(word) for word in (source, "--tokenizer", TOKENIZER, "--out", tmp_path / "store")]
    with subprocess.Popen(
        [sys.executable, "-m", "chefgenius.prepare", *words], stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (tmp_path / "store" / ".building").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert (
            process.stderr.read().strip()
            == "interrupted: the former store, if there was one, is still in use"
        )
    assert TokenStore.open(tmp_path / "store").fingerprint == former
    assert not (tmp_path / "store" / ".building").exists()


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(30))
    out = tmp_path / "store"
    with subprocess.Popen(python(SLOW, source, TOKENIZER, out), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        command = [sys.executable, "-m", "chefgenius.prepare", str(source)]
        command += ["--tokenizer", str(TOKENIZER), "--out", str(out)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)
            process.kill()
            assert second.wait(30) == 0
    assert len(TokenStore.open(out)) == 30


@pytest.mark.parametrize("limit", [0, 100, 4096, 20_000])
def test_a_full_disk_is_named_and_leaves_the_former_store(tmp_path: Path, limit: int) -> None:
    former = build(tmp_path, recipes(30))
    before = files_below(tmp_path / "store")
    source = write_lines(tmp_path / "recipes.jsonl", recipes(400))
    words = (source, "--tokenizer", TOKENIZER, "--out", tmp_path / "store")
    done = subprocess.run(python(LIMITED, limit, *words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 74, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert str(tmp_path / "store") in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert "free some space" in done.stderr
    assert files_below(tmp_path / "store") == before
    store = TokenStore.open(tmp_path / "store")
    assert store.fingerprint == former.fingerprint
    store.verify()


def test_a_full_disk_is_an_oserror_with_its_number(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(30))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="free some space") as error:
            prepare([source], tokenizer=TOKENIZER, out=tmp_path / "store")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert str(error.value.filename).startswith(str(tmp_path / "store"))
    assert stores(tmp_path / "store") == []


def test_a_view_that_cannot_be_kept_is_built_each_time(tmp_path: Path) -> None:
    store = build(tmp_path, recipes(30))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        full = digest(load(store))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((store.path / "views").glob("*")) == [], "and no half of it stays"
    assert full == digest(load(store))


def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(3))
    source.chmod(0)
    if os.access(source, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError, match=r"recipes\.jsonl"):
        prepare([source], tokenizer=TOKENIZER, out=tmp_path / "store")
    source.chmod(0o600)
    (tmp_path / "closed").mkdir(0o500)
    with pytest.raises(PermissionError, match="check its permissions"):
        prepare([source], tokenizer=TOKENIZER, out=tmp_path / "closed" / "store")
