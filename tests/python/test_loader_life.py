"""A loader among threads, processes and signals."""

import gc
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from chefgenius import RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import digest, load, python, recipes, run_python, take, write_lines

pytestmark = [pytest.mark.usefixtures("no_leftovers"), pytest.mark.alone]


def threads() -> int:
    """Threads of all loaders of this process; the system knows them by name."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        # One that ends meanwhile has no name any more.
        with suppress(OSError):
            names.append((task / "comm").read_text())
    return sum(name.startswith("chefgenius") for name in names)


def settles_at(count: int) -> bool:
    """Whether there are `count` threads within a second: one names itself a moment after its begin, and the
    system forgets it a moment after its end."""
    end = time.monotonic() + 1
    while threads() != count and time.monotonic() < end:
        time.sleep(0.001)
    return threads() == count


@pytest.mark.parametrize(("prefetch", "asked", "count"), [(8, 1, 1), (8, 3, 3), (2, 3, 2), (0, 3, 0)])
def test_threads_begin_with_the_first_batch(store: TokenStore, prefetch: int, asked: int, count: int) -> None:
    assert threads() == 0
    for _ in range(50):
        with load(store, prefetch=prefetch, threads=asked) as loader:
            batches = iter(loader)
            loader.batch_at(0, 3)
            loader.load_state_dict(loader.state_dict())
            loader.when(3, 0), loader.step_info(0, 0), len(loader), repr(loader)
            assert threads() == 0
            next(batches)
            assert settles_at(count)
            list(batches)
        assert settles_at(0)


ENDS: dict[str, Callable[[RecipeLoader], object]] = {
    "close": lambda loader: loader.close(),
    "reset": lambda loader: loader.reset(),
    "set_epoch": lambda loader: loader.set_epoch(3),
    "skip": lambda loader: loader.skip(1),
    "load_state_dict": lambda loader: loader.load_state_dict(loader.state_dict()),
    "exit": lambda loader: loader.__exit__(None, None, None),
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("way", ENDS)
def test_threads_end_within_50_ms(store: TokenStore, way: str, count: int) -> None:
    times = []
    for _ in range(20):
        loader = load(store, prefetch=64, threads=count)
        take(loader, 3)
        assert settles_at(count)
        begin = time.perf_counter()
        ENDS[way](loader)
        while threads() > 0 and time.perf_counter() < begin + 1:
            pass
        times.append(time.perf_counter() - begin)
        loader.close()
    # Half of them, since a busy machine may hold up a few.
    assert sorted(times)[10] < 0.05


def drop(loader: RecipeLoader) -> None:
    """Lose a loader's threads."""
    next(iter(loader))


def drop_iterator(loader: RecipeLoader) -> None:
    batches = iter(loader)
    next(batches)
    del loader
    assert settles_at(2), "the iterator keeps its loader"
    del batches


def drop_generator(loader: RecipeLoader) -> None:
    batches = (batch.index for batch in loader)
    next(batches)
    batches.close()


def fail(loader: RecipeLoader) -> None:
    def consume() -> None:
        for batch in loader:
            raise KeyError(batch.index)

    with pytest.raises(KeyError):
        consume()


def fail_inside(loader: RecipeLoader) -> None:
    def consume() -> None:
        for _ in loader:
            loader.batch_at(0, 99)

    with pytest.raises(ValueError, match="index"):
        consume()


@pytest.mark.parametrize("way", [drop, drop_iterator, drop_generator, fail, fail_inside])
def test_a_loader_that_is_lost_ends_its_threads(
    store: TokenStore, way: Callable[[RecipeLoader], None]
) -> None:
    for _ in range(10):
        way(load(store, prefetch=8, threads=2))
        gc.collect()
        assert settles_at(0)


def test_what_was_delivered_outlives_the_threads(store: TokenStore) -> None:
    held = [take(load(store, prefetch=8), 1)[0] for _ in range(20)]
    assert settles_at(0)
    assert [batch.state["index"] for batch in held] == [1] * 20


def test_many_loaders_leave_nothing_behind(store: TokenStore) -> None:
    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def open_and_close(turn: int) -> None:
        again = TokenStore.open(store.path)
        plan = ("fixed", "bucketed", "packed")[turn % 3]
        with load(again, plan=plan, prefetch=turn % 9, threads=1 + turn % 3) as loader:
            take(loader, 3)

    for turn in range(200):
        open_and_close(turn)
    gc.collect()
    descriptors, mapped = len(os.listdir("/proc/self/fd")), maps()
    before = resident()
    for turn in range(1000):
        open_and_close(turn)
    gc.collect()
    assert settles_at(0)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert maps() == mapped
    assert resident() - before < 5 << 20


def maps() -> int:
    """Files that are mapped into this process."""
    return sum("/" in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_nothing_is_left_in_shared_memory(store: TokenStore) -> None:
    def mapped() -> set[str]:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return {line for line in lines if "/dev/shm" in line}

    # Other libraries may have something there.
    before, mapped_before = set(os.listdir("/dev/shm")), mapped()
    with load(store, prefetch=8, threads=3) as loader:
        take(loader, 30)
        assert mapped() <= mapped_before
        # Other processes come and go: only what could be this one's counts.
        new = set(os.listdir("/dev/shm")) - before
        assert not [name for name in new if "chefgenius" in name or str(os.getpid()) in name]


def test_memory_does_not_grow(store: TokenStore) -> None:
    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    loader = load(store, prefetch=8)
    take(loader, 2000)
    before = resident()
    for _ in range(1000):
        for _ in loader:
            pass
        loader.load_state_dict(loader.state_dict())
    assert resident() - before < 8 << 20


def test_several_threads_share_out_the_batches(store: TokenStore) -> None:
    loader = load(store, prefetch=2)
    taken: list[tuple[int, int]] = []

    def consume() -> None:
        taken.extend((batch.epoch, batch.index) for batch in loader)

    consumers = [threading.Thread(target=consume) for _ in range(4)]
    loader.set_epoch(1)
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(30)
    first = min(epoch for epoch, _ in taken)
    assert first == 1
    assert sorted(index for epoch, index in taken if epoch == 1) == list(range(12))
    assert len(taken) == len(set(taken)), "each batch is delivered once"


FORK = """
import os, warnings
warnings.simplefilter("ignore")
from chefgenius import LoaderError, TokenStore
from samples import digest, load, take
store = TokenStore.open(sys.argv[1])
loader = load(store, prefetch=4)
batch = take(loader, 3)[-1]
child = os.fork()
if not child:
    for call in (lambda: next(iter(loader)), loader.state_dict, loader.reset):
        try:
            call()
        except LoaderError as error:
            print(error)
    fresh = load(store)
    fresh.load_state_dict(batch.state)
    print(digest(take(fresh, 12)), flush=True)
    loader.close()
    del loader
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0

def use(results):
    try:
        next(iter(loader))
    except LoaderError as error:
        results.put(str(error))

import multiprocessing
context = multiprocessing.get_context("fork")
results = context.Queue()
process = context.Process(target=use, args=(results,))
process.start()
print(results.get(timeout=60))
process.join(60)
assert process.exitcode == 0
print(digest(take(loader, 12)))
loader.close()
"""


def test_a_forked_child_gets_a_clear_error(store: TokenStore) -> None:
    *errors, child, other, parent = run_python(FORK, store.path).splitlines()
    assert len(errors) == 3
    for error in [*errors, other]:
        assert "does not survive a fork" in error
        assert "make a new one in the child" in error
        assert "state_dict()" in error
    assert child == parent, "a new loader in the child goes on, and the parent's is unharmed"


SPAWN = """
import multiprocessing
from chefgenius import TokenStore
from samples import digest, load, take

def child(path, state, results):
    fresh = load(TokenStore.open(path))
    fresh.load_state_dict(state)
    results.put(digest(take(fresh, 12)))

if __name__ == "__main__":
    loader = load(TokenStore.open(sys.argv[1]), prefetch=4)
    state = take(loader, 3)[-1].state
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=child, args=(sys.argv[1], state, results))
    process.start()
    print(results.get(timeout=60) == digest(take(loader, 12)))
    process.join()
"""


def test_a_spawned_child_goes_on_from_a_state(store: TokenStore, tmp_path: Path) -> None:
    # The child of a spawn reads the script anew, so it must be a file.
    script = tmp_path / "spawn.py"
    head = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    script.write_text(head + SPAWN)
    assert (
        run_python("import runpy; runpy.run_path(sys.argv[2], run_name='__main__')", store.path, script)
        == "True\n"
    )


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """A store of which one batch of all records takes a while: 300 recipes, one of them very long."""
    folder = tmp_path_factory.mktemp("heavy")
    long = {**recipes(1)[0], "directions": [f"Stir {number} times." for number in range(10_000)]}
    source = write_lines(folder / "recipes.jsonl", [*recipes(300, seed=1), long])
    return prepare([source], tokenizer=TOKENIZER, out=folder / "store")


@pytest.mark.parametrize("prefetch", [0, 1])
def test_the_gil_is_free_while_waiting(heavy: TokenStore, prefetch: int) -> None:
    loader = load(heavy, batch_size=301, max_target_length=2**20, prefetch=prefetch)
    ticks: list[float] = []
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    waits = []
    for _ in range(5):
        begin = time.perf_counter()
        assert next(iter(loader)) is not None
        waits.append((begin, time.perf_counter()))
    done.set()
    counter.join()
    loader.close()
    during = sum(any(begin < tick < end for tick in ticks) for begin, end in waits)
    assert during >= 3, f"{during} of {[round(end - begin, 3) for begin, end in waits]}"


INTERRUPTED = """
from chefgenius import TokenStore
from samples import load
batch_size, prefetch = map(int, sys.argv[2:])
store = TokenStore.open(sys.argv[1])
loader = load(store, batch_size=batch_size, prefetch=prefetch, max_target_length=2**20)
seen = 0
try:
    while True:
        for batch in loader:
            seen += 1
            if seen == 2:
                print("iterating", flush=True)
except KeyboardInterrupt:
    at = (loader.epoch, loader.index)
    batch = next(iter(loader))
    # The interrupt may have come between a delivery and the end of the loop's body.
    assert (batch.epoch, batch.index) == at, (batch.epoch, batch.index, at)
    loader.close()
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(("batch_size", "prefetch"), [(4, 8), (4, 0), (301, 1)])
def test_ctrl_c_interrupts_and_the_loader_goes_on(heavy: TokenStore, batch_size: int, prefetch: int) -> None:
    command = python(INTERRUPTED, heavy.path, batch_size, prefetch)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "iterating\n"
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < 20
        assert process.wait(30) == 0


EXIT = """
from chefgenius import TokenStore
from samples import load, take
loader = load(TokenStore.open(sys.argv[1]), prefetch=8)
batches = iter(loader)
batch = next(batches)
"""


def test_a_process_ends_with_a_loader_still_open(store: TokenStore) -> None:
    assert run_python(EXIT, store.path) == ""


def test_two_loaders_of_one_store_do_not_meet(store: TokenStore) -> None:
    one, other = load(store), load(store, seed=8)
    pairs = list(zip(one, other, strict=True))
    assert digest(batch for batch, _ in pairs) == digest(list(load(store)))
    assert digest(batch for _, batch in pairs) == digest(list(load(store, seed=8)))
