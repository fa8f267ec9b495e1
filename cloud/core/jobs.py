"""The job runner: keeps a long-running job of the cloud alive. One of the three places that catch everything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cloud.core.metrics import Metrics

log = logging.getLogger(__name__)

FAILURES = "hallfleet_job_failures_total"
PAUSE_S = (0.2, 10.0)


async def keep_running(name: str, job: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run ``job`` until it is cancelled; when it raises, say so, count it, pause and begin it again."""
    metrics.describe(FAILURES, "counter", "Jobs that ended with an error and were started again")
    pause = PAUSE_S[0]
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await job()
        except Exception:
            log.exception("job %s: ended with an error, starting it again in %.1f s", name, pause)
            metrics.count(FAILURES, job=name)
        if asyncio.get_running_loop().time() - began > PAUSE_S[1]:
            pause = PAUSE_S[0]  # it had been running well
        await asyncio.sleep(pause)
        pause = min(PAUSE_S[1], pause * 2)
