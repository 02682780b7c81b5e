"""How a process that has a loader ends: by itself, by an error, or killed again and again."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chefgenius import TokenStore
from samples import digest, load, python, take
from twins import PLANS, mixed_store, open_loader

SERVER = """
import os, random, select, signal, threading, time
from chefgenius import RecipeLoader, TokenStore
from samples import digest, load, take
from twins import open_loader

path = sys.argv[1]

def forked(code, *numbers):
    pid = os.fork()
    if not pid:
        for number in numbers:
            os.dup2(writing, number)
        os.close(reading), os.close(writing)
        exec(code, globals())
        raise SystemExit
    os.close(writing)
    return pid
"""

ENDS = (
    SERVER
    + """
import json
# Each of them is a process that has imported everything, runs its code and ends as any other does.
for code in json.loads(sys.argv[2]):
    reading, writing = os.pipe()
    pid = forked(code, 1, 2)
    end, status = time.monotonic() + 60, None
    while status is None and time.monotonic() < end:
        done, status_now = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(status_now) if done else None
        time.sleep(0.002)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(reading) as output:
        print(json.dumps([status, output.read()]), flush=True)
"""
)

OPEN = "loader = load(TokenStore.open(path), prefetch=8, threads=3)\nbatches = iter(loader)\nnext(batches)\n"
# Batches are held: where torch frees a tensor it lets go of the GIL and asks for it again, which the end of
# the interpreter does not forgive either; that is torch's to mend.
BACKGROUND = """
held = []
loader = load(TokenStore.open(path), prefetch={prefetch}, threads=2)
def consume():
    while True:
        for batch in loader:
            held.append(batch)
for _ in range(3):
    threading.Thread(target=consume, daemon=True).start()
time.sleep(0.05)
"""

QUIET: dict[str, tuple[str, int]] = {
    "in a global": (OPEN, 0),
    "with held batches": (OPEN + "held = list(batches)", 0),
    "in a cycle": (OPEN + "loader.me = loader; del loader, batches", 0),
    "after close": (OPEN + "loader.close()", 0),
    "with an exit code": (OPEN + "for batch in batches:\n    sys.exit(7)", 7),
    "in a thread that is waited for": (
        OPEN + "threading.Thread(target=lambda: [list(loader) for _ in range(30)]).start()",
        0,
    ),
    "in a daemon thread that sleeps": (
        OPEN + "threading.Thread(target=lambda: (next(batches), time.sleep(60)), daemon=True).start()",
        0,
    ),
    "with given memory": (OPEN.replace("threads=3", "threads=3, pin_memory=True"), 0),
}

pytestmark = pytest.mark.usefixtures("no_leftovers")


def ended(path: Path, codes: list[str]) -> list[tuple[int | None, str]]:
    """Exit code, or None for one that hangs, and all output of processes that run these codes."""
    command = python(ENDS, path, json.dumps(codes))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return [(code, output) for code, output in map(json.loads, done.stdout.splitlines())]


def test_a_process_ends_in_silence_wherever_its_loader_is(store: TokenStore) -> None:
    found = ended(store.path, [code for code, _ in QUIET.values()])
    assert dict(zip(QUIET, found, strict=True)) == {name: (code, "") for name, (_, code) in QUIET.items()}


def test_a_process_that_fails_in_a_for_tells_its_own_error_only(store: TokenStore) -> None:
    ((code, output),) = ended(store.path, [OPEN + "for batch in batches:\n    raise KeyError('mine')"])
    assert code == 1
    assert output.splitlines()[0] == "Traceback (most recent call last):"
    assert output.splitlines()[-1] == "KeyError: 'mine'"
    assert output.count("Traceback") == 1


@pytest.mark.parametrize(
    "code",
    [
        BACKGROUND.format(prefetch=8),
        BACKGROUND.format(prefetch=0),
        BACKGROUND.format(prefetch=0).replace("for batch in loader", "for batch in [loader.batch_at(0, 3)]"),
    ],
    ids=["prefetch", "no prefetch", "batch_at"],
)
def test_a_process_ends_in_silence_while_daemon_threads_iterate(store: TokenStore, code: str) -> None:
    assert ended(store.path, [code] * 3) == [(0, "")] * 3


KILLED = (
    SERVER
    + """
import json
# Children print state and digest of each batch; each is killed, and the next goes on from the last line.
CHILD = '''
loader = open_loader(TokenStore.open(path), plan, prefetch=8, threads=2)
if lines:
    loader.load_state_dict(json.loads(lines[-1])[0])
while True:
    for batch in loader:
        os.write(1, (json.dumps([batch.state, digest([batch])]) + "\\\\n").encode())
'''
chance = random.Random(int(sys.argv[2]))
most, kills = int(sys.argv[3]), int(sys.argv[4])
for plan in sys.argv[5:]:
    lines = []
    for kill in range(kills + 1):
        reading, writing = os.pipe()
        pid = forked(CHILD, 1)
        enough = len(lines) + chance.randint(1, most // (kills + 1)) if kill < kills else most
        rest = b""
        while lines[enough:] == [] and (more := os.read(reading, 1 << 16)):
            *whole, rest = (rest + more).split(b"\\n")
            lines += whole
        time.sleep(chance.uniform(0, 0.003))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with os.fdopen(reading, "rb") as output:
            *whole, rest = (rest + output.read()).split(b"\\n")
            lines += whole
    print(json.dumps([json.loads(line) for line in lines[:most]]), flush=True)
"""
)


def killed(store: TokenStore, seed: int, batches: int, kills: int) -> dict[str, list[Any]]:
    """By plan, the state and digest of each batch that the processes delivered."""
    command = python(KILLED, store.path, seed, batches, kills, *PLANS)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(zip(PLANS, map(json.loads, done.stdout.splitlines()), strict=True))


def assert_undisturbed(store: TokenStore, found: dict[str, list[Any]], batches: int) -> None:
    for plan in PLANS:
        expected = take(open_loader(store, plan, prefetch=0), batches)
        assert [[batch.state, digest([batch])] for batch in expected] == found[plan], plan


def test_a_process_that_is_killed_three_times_delivers_the_same(tmp_path: Path) -> None:
    store = mixed_store(tmp_path)
    assert_undisturbed(store, killed(store, seed=1, batches=200, kills=3), 200)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_process_that_is_killed_often_delivers_the_same(tmp_path: Path, seed: int) -> None:
    store = mixed_store(tmp_path)
    assert_undisturbed(store, killed(store, seed, batches=3000, kills=15), 3000)


@pytest.mark.parametrize("pin_memory", [False, True])
@pytest.mark.parametrize("prefetch", [0, 4])
@pytest.mark.alone
def test_a_storm_of_signals_loses_and_repeats_no_batch(
    store: TokenStore, prefetch: int, pin_memory: bool
) -> None:
    """A handler raises anywhere: in the core, while a batch is made, between loader and loop, in the loop."""
    loader = load(store, batch_size=2, prefetch=prefetch, pin_memory=pin_memory)
    armed, raised = False, 0

    def handle(*_: object) -> None:
        nonlocal armed, raised
        if armed:
            armed, raised = False, raised + 1
            raise KeyboardInterrupt

    seen: list[tuple[int, int]] = []
    last = None
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        while len(seen) < 4000:
            try:
                armed = True
                for last in loader:
                    seen.append((last.epoch, last.index))
                armed = False
            except KeyboardInterrupt:
                # It may have come between the delivery and the line that notes it.
                if last is not None and seen[-1:] != [(last.epoch, last.index)]:
                    seen.append((last.epoch, last.index))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    expected = [(epoch, index) for epoch in range(1000) for index in range(len(loader))]
    assert seen == expected[: len(seen)]
    assert raised > 100, raised
