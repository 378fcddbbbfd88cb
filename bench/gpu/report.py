"""Results of the measurements on a GPU as JSON lines, one for each, so that an interrupted step keeps those it has."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


class Report:
    """Prints one JSON line for each result of a step; the process ends with status 1 if any is not `ok`."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._failed = False

    def add(self, name: str, ok: bool = True, **figures: object) -> None:
        """Print a result: whether it is right, and its figures."""
        self._failed |= not ok
        print(json.dumps({"step": self.step, "name": name, "ok": bool(ok), **figures}), flush=True)

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Report an exception in the block as a failed result, and go on with the next."""
        try:
            yield
        except Exception as error:
            self.add(name, ok=False, error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def finish(self) -> None:
        """End the process."""
        sys.exit(int(self._failed))


def seconds(work: Callable[[], object], synchronize: Callable[[], object], repeats: int) -> float:
    """Return the mean time of `work`, which only enqueues, over `repeats` calls, after up to three that warm up."""
    for _ in range(min(3, repeats - 1)):
        work()
    synchronize()
    start = perf_counter()
    for _ in range(repeats):
        work()
    synchronize()
    return (perf_counter() - start) / repeats
