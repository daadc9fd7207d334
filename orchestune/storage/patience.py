"""Tries again, for minutes, what a network may have kept from happening."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from orchestune.durable import NO_ROOM
from orchestune.errors import StorageError

T = TypeVar("T")
PATIENCE_S = 300.0  # that a storage may be out of reach before what needs it gives up
LONGEST_PAUSE_S = 10.0

# A server's answers that will be the same the next time; to a request too slow or too many (408, 429) they will not.
_FINAL = re.compile(
    r"NO_SUCH_BUCKET|ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|"
    r"SIGNATURE_DOES_NOT_MATCH|MISSING_AUTHENTICATION|EXPIRED_TOKEN|No credentials|HTTP status 4(?!08|29)\d\d"
)


def patiently(where: str, act: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """What `act` gives, tried until it does. Raises StorageError with the storage's last word, FileNotFoundError, and
    OSError where it is this machine's disk that is full."""
    limit, pause = time.monotonic() + seconds, 0.5
    while True:
        try:
            return act()
        except FileNotFoundError:
            raise
        except OSError as problem:
            if problem.errno in NO_ROOM:  # of this machine's own disk
                raise
            said = next(iter(str(problem).strip().splitlines()), type(problem).__name__)
            if "AWS Error" not in said or _FINAL.search(said):
                raise StorageError(f"storage {where}: {said}") from problem
            if time.monotonic() + pause > limit:
                raise StorageError(f"storage {where} was out of reach for {seconds:.0f} s: {said}") from problem
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
