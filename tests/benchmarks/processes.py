"""Child processes of a benchmark: ``hallfleet`` verbs, waited for by what they answer."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def python(module: str, *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m module arguments`` until the block ends."""
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(done: Callable[[], object], what: str, limit_s: float = 120.0) -> float:
    """Wait until ``done()``; returns the seconds it took. Raises TimeoutError with ``what``."""
    began = time.perf_counter()
    while not done():
        if time.perf_counter() - began > limit_s:
            raise TimeoutError(f"expected within {limit_s:.0f} s: {what}")
        time.sleep(0.01)
    return time.perf_counter() - began
