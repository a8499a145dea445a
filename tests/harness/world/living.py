"""Runs code as an application's in a simulated world."""

from collections.abc import Awaitable, Callable
from typing import Any

from fanin.harness.world.kernel import VirtualKernel


def live(main: Callable[[], Awaitable[Any]], *, seed: int = 0) -> Any:
    """Run code of an application; return its result, or what it raised."""
    kernel, results = VirtualKernel(seed), []

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        try:
            results.append(await host.create_task(main()))
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            results.append(exc)

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())
    return results[0]
