"""The processes of one run: how they meet outside the collectives of a step.

1. `Ranks.first` lets rank 0 do a thing while the others wait for what it tells; `Ranks.together` waits for
   all and compares what they tell. Both go through torch's own store, as JSON: nothing is pickled.
2. A rank that fails says so there before it ends, so that the others end with a line and its exit code. No
   wait has a time limit of its own, since rank 0 may prepare data for an hour; each ends when a rank fails,
   when the store is gone, or by a signal, which `torchrun` sends when a process is lost.

torch is imported by the first thing that needs it, never by one process alone.
"""

import json
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from chefgenius.run.signals import Stop, StopRequested
from chefgenius.run.state import RunError, one_line
from chefgenius.run.world import World

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

TIMEOUT = timedelta(hours=1)
"""of one collective: how long a rank may be behind the others before they give up"""
GRACE = 20.0
"""seconds that a rank which was asked to stop waits for the word of rank 0"""
PATIENCE = 10.0
"""seconds that rank 0 waits at the very end for the others to have heard"""
_INTERVAL = 0.02


class RankError(RunError):
    """Another process of the run ended, and this one with it."""

    def __init__(self, message: str, exit_code: int = RunError.exit_code) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Ranks:
    """The meeting place of a run's processes; a context manager, within which the run is built and trained.

    Args:
        world: this process.
        stop: is asked while waiting.
    """

    def __init__(self, world: World | None = None, stop: Stop | None = None) -> None:
        self.world = world or World()
        self._stop = stop
        self._store: Store | None = None
        self._untold: list[tuple[str, str]] = []
        self._joined = False
        self._meetings = 0
        self.agreed = False
        """whether all ranks come to the same end: the last step, a stop or an error that all know of"""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.world.size == 1:
            return
        try:
            if error is None or self.agreed:
                self._part()
            elif isinstance(error, Exception | StopRequested):
                self._fail(error)
        finally:
            if self._joined and (error is None or self.agreed):
                import torch.distributed

                torch.distributed.destroy_process_group()

    def join(self, device: str, index: int | None = None) -> None:
        """Opens torch's process group, in which gradients are summed: nccl on `cuda`, else gloo."""
        if self.world.size == 1 or self._joined:
            return
        import torch
        from torch import distributed
        from torch.distributed.distributed_c10d import PrefixStore

        self.together("join", {})  # what comes next cannot be interrupted
        distributed.init_process_group(
            "nccl" if device == "cuda" else "gloo",
            store=PrefixStore("group", self._meet()),
            rank=self.world.rank,
            world_size=self.world.size,
            timeout=TIMEOUT,
            device_id=torch.device("cuda", index or 0) if device == "cuda" else None,
        )
        self._joined = True

    def first(
        self,
        name: str,
        work: Callable[[], T],
        tell: Callable[[T], Any],
        take: Callable[[Any], T],
    ) -> T:
        """What `work` gives on rank 0; the others wait, and `take` makes the same of what `tell` says of it.

        All ranks call for the same things in the same order. JSON values travel. Raises what `work` raises;
        on the others RankError, StopRequested.
        """
        if self.world.size == 1:
            return work()
        name = self._named(name)
        if not self.world.leads:
            return take(self._await(name))
        value = work()
        self._tell(name, tell(value))
        return value

    def agree(self, name: str, value: bool) -> bool:
        """What rank 0 says."""
        return self.first(name, lambda: value, bool, bool)

    def together(self, name: str, values: dict[str, Any]) -> None:
        """Waits for all ranks. Raises RankError where one has another value than rank 0."""
        if self.world.size == 1:
            return
        name, mine = self._named(name), json.loads(json.dumps(values))
        self._tell(f"{name}/{self.world.rank}", mine)
        for rank in range(self.world.size):
            theirs = self._await(f"{name}/{rank}")
            for key in mine:
                if theirs.get(key) != mine[key]:
                    raise RankError(
                        f"rank {rank} and rank {self.world.rank} differ in `{key}`: "
                        f"`{one_line(theirs.get(key)):.200}` and `{one_line(mine[key]):.200}`: "
                        "start all processes with the same command, files and versions"
                    )

    def meet(self) -> None:
        """Lets the others hear what was told; for rank 0 before it does what takes long."""
        if self.world.size > 1:
            self._meet()

    def _meet(self, seconds: float = TIMEOUT.total_seconds()) -> "Store":
        """The store that `torchrun` keeps, or the one that rank 0 opens; told is what was waiting for it.

        Raises RankError when not all ranks come in time.
        """
        if self._store is None:
            from torch.distributed.distributed_c10d import PrefixStore
            from torch.distributed.rendezvous import rendezvous

            place = rendezvous("env://", self.world.rank, self.world.size, timeout=TIMEOUT)
            store = PrefixStore("chefgenius", next(place)[0])
            self._store = PrefixStore(self._attempt(store, seconds), store)
            for key, text in self._untold:
                self._store.set(key, text)
        return self._store

    def _attempt(self, store: "Store", seconds: float) -> str:
        """A name that these processes share, and none that were here before: what those said is kept.

        Each asks by a word of its own, which rank 0 answers with the name.
        """
        mine, end = secrets.token_hex(8), time.monotonic() + seconds
        others = range(1, self.world.size)
        if not self.world.leads:
            store.set(f"ask/{self.world.rank}", mine)
        while time.monotonic() < end:
            if not self.world.leads and store.check([f"answer/{mine}"]):
                name = store.get(f"answer/{mine}").decode()
                store.set(f"here/{name}/{self.world.rank}", "")
                return name
            if self.world.leads and store.check([f"here/{mine}/{rank}" for rank in others]):
                return mine
            for rank in others if self.world.leads else ():
                if store.check([f"ask/{rank}"]):
                    store.set(f"answer/{store.get(f'ask/{rank}').decode()}", mine)
            time.sleep(_INTERVAL)
        raise RankError("not all processes of the run have come")

    def _named(self, name: str) -> str:
        self._meetings += 1
        return f"{self._meetings} {name}"

    def _tell(self, key: str, value: Any) -> None:
        """Kept until the store is there: rank 0 may have to say much before it needs torch."""
        text = json.dumps(value)
        if self._store is None:
            self._untold.append((key, text))
        else:
            self._store.set(key, text)

    def _await(self, key: str) -> Any:
        """What a rank told. Raises RankError when one failed, StopRequested."""
        from torch.distributed import DistError

        asked: float | None = None
        try:
            store = self._meet()
            while not store.check([key]):
                if failure := self._failure(store):
                    raise failure
                if self._stop is not None and self._stop.requested is not None:
                    asked = time.monotonic() if asked is None else asked
                    if time.monotonic() - asked > GRACE:  # it was lost, or works longer than this rank may
                        self._stop.check()
                time.sleep(_INTERVAL)
            return json.loads(store.get(key))
        except (DistError, RuntimeError, ValueError) as error:
            raise RankError(f"lost the other processes of the run: {one_line(error)}") from error

    def _failure(self, store: "Store") -> RankError | StopRequested | None:
        if not store.check(["failed"]):
            return None
        told = json.loads(store.get("failed"))
        if told["rank"] == self.world.rank:
            return None
        store.set(f"heard/{self.world.rank}", "")
        if told["code"] == StopRequested.exit_code:
            return StopRequested(told["message"])
        return RankError(f"rank {told['rank']} ended: {told['message']}", told["code"])

    def _fail(self, error: BaseException) -> None:
        """Tells the others of an error; where another rank failed first, raises that one's in its place."""
        from torch.distributed import DistError

        if isinstance(error, RankError):
            return
        collective = isinstance(error, DistError) or "gloo" in str(error) or "NCCL" in str(error)
        first: RankError | StopRequested | None = None
        try:
            store = self._meet(PATIENCE)
            if collective:  # whoever is gone may have said why, or is about to
                end = time.monotonic() + 1
                while first is None and time.monotonic() < end:
                    first = self._failure(store)
                    time.sleep(_INTERVAL)
            if first is None:
                code = getattr(error, "exit_code", 74 if isinstance(error, OSError) else 1)
                told = {
                    "rank": self.world.rank,
                    "code": code,
                    "message": one_line(error) or type(error).__name__,
                }
                if not store.check(["failed"]):
                    store.set("failed", json.dumps(told))
                    self._linger("heard", 2)
        except (DistError, RuntimeError, RankError):
            pass  # the store went with the process that kept it
        if collective:
            lost = first or RankError(f"lost the other processes of the run: {one_line(error)}")
            for note in getattr(error, "__notes__", ()):
                lost.add_note(note)
            raise lost from error

    def _part(self) -> None:
        """Lets no rank end before rank 0 has, nor rank 0 before the others know."""
        from torch.distributed import DistError

        if not self.world.leads:
            self._await("end")
            self._tell(f"left/{self.world.rank}", True)
            return
        try:
            self._tell("end", True)
            self._linger("left", PATIENCE)
        except (DistError, RuntimeError):
            pass  # they are gone already

    def _linger(self, word: str, seconds: float) -> None:
        """Rank 0 may keep the store: it stays so many seconds at most until each other has said the word."""
        others = [f"{word}/{rank}" for rank in range(1, self.world.size)] if self.world.leads else []
        store, end = self._meet(), time.monotonic() + seconds
        while others and not store.check(others) and time.monotonic() < end:
            time.sleep(_INTERVAL)
