"""The stores of a run and their micro-batches, opened when they are asked for; nothing here imports torch."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chefgenius.data.course import Leg
from chefgenius.data.store import Ids, TokenStore
from chefgenius.data.windows import Windows
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.rundir import ANEW, are_facts_damaged


@dataclass
class Shelf:
    """Where the stores of a run lie."""

    run: Path
    facts: Mapping[str, Any]
    """run.json, which says where the store lay at the last start"""
    given: Path | None = None
    """where a person says that it lies"""
    config: Mapping[str, Any] = field(default_factory=dict)
    """what the run was told, which names the place where run.json does not"""
    _stores: dict[str, TokenStore] = field(default_factory=dict)
    _windows: dict[tuple[Any, ...], Windows] = field(default_factory=dict)

    def store(self, fingerprint: str) -> TokenStore:
        """The store of this content. Raises NotFoundError where none of the known places has it."""
        if fingerprint not in self._stores:
            self._stores[fingerprint] = self._find(fingerprint)
        return self._stores[fingerprint]

    def windows(self, leg: Leg, masked: Collection[int] = ()) -> Windows:
        """The micro-batches of a leg without these records.

        Raises NotFoundError where they are not known, or are others to this version.
        """
        key = leg.store, leg.plan, leg.seed, frozenset(masked)
        if key not in self._windows:
            store = self.store(leg.store)
            if not leg.specification:
                raise NotFoundError(f"the plan `{leg.plan}` is not known any more: the run did not note it")
            windows = Windows(store, json.dumps(leg.specification), leg.seed, sorted(masked))
            if windows.plan_fingerprint != leg.plan or windows.order != leg.order:
                raise NotFoundError(
                    f"this version of chefgenius makes other batches of the plan `{leg.plan}`: "
                    "look with the one that trained the run"
                )
            self._windows[key] = windows
        return self._windows[key]

    def alone(self, leg: Leg) -> Windows:
        """Every record of the store alone in a micro-batch, laid out and cut as in a leg."""
        view = {**leg.specification["view"], "split": "all", "validation_sources": [], "min_quality": None}
        return self._other(leg, {"view": view, "kind": "fixed", "weights": {}, "limit": {"rows": 1}})

    def side(self, leg: Leg, split: str) -> Ids:
        """The records on one side of the split of a leg, ascending, whatever their weights."""
        view = {**leg.specification["view"], "split": split}
        windows = self._other(leg, {"view": view, "kind": "fixed", "weights": {}})
        return windows.view_record_ids(windows.records)

    def _other(self, leg: Leg, changes: dict[str, Any]) -> Windows:
        specification = {**leg.specification, **changes, "micro_batches_per_step": 1}
        return Windows(self.store(leg.store), json.dumps(specification), leg.seed)

    def _find(self, fingerprint: str) -> TokenStore:
        name = f"store-{fingerprint.removeprefix('b3:')[:16]}"
        noted = self.facts.get("store")
        last = Path(noted) if isinstance(noted, str) and noted else None
        places = []
        if self.given is not None:
            places += [self.given, self.given / name]
        if last is not None:  # another store of the run lies beside it, or where other sources are prepared
            places += [last, last.parent / name, *sorted(last.parent.parent.glob(f"*/{name}"))]
        else:
            places += self._by_config(name)
        for place in places:
            if place.is_dir() and (self.given is not None or place.name == name):
                try:
                    store = TokenStore.open(place)
                except FileNotFoundError:
                    continue
                if store.fingerprint == fingerprint:
                    return store
        looked = self.given or last
        if looked is None and are_facts_damaged(self.run):
            raise NotFoundError(
                f"`{self.run / 'run.json'}` is damaged, which says where the store `{fingerprint}` lies; "
                f"{ANEW}: until then give its place with `--store DIR`"
            )
        raise NotFoundError(
            f"the store `{fingerprint}` of run `{self.run}` is not "
            f"{f'in `{looked}`' if looked else 'known'} any more: give its place with `--store DIR`, or "
            "prepare the same sources again"
        )

    def _by_config(self, name: str) -> Iterator[Path]:
        """Where a start would make or find a store of this name."""
        if isinstance(store := self.config.get("data.store"), str):
            yield from (Path(store).expanduser(), Path(store).expanduser() / name)
        made = self.config.get("data.cache_dir")
        for place in (*([Path(made)] if isinstance(made, str) else []), self.run.parent / "stores"):
            yield from sorted(place.glob(f"*/{name}"))
