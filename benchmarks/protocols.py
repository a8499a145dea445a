"""What reading HTTP costs: ``python -m benchmarks.protocols [--rounds N] [--seconds S]``.

The same small application under uvicorn, with each implementation of HTTP/1.1: uvicorn's own two, and this
project's. Rounds alternate; what is compared is the processor time of a request, which a busy machine
disturbs least, and the rate.
"""

import argparse
import asyncio
import sys
from contextlib import ExitStack
from statistics import median

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import load
from benchmarks.machine import describe
from benchmarks.processes import SERVER_CORE, module, worked_s
from fanin.aggregator.cli.serve import listen
from fanin.aggregator.http.protocol import OUR_HTTP
from fanin.aggregator.settings import Settings

CONTENDERS = {"httptools": "httptools", "h11": "h11", "fanin": OUR_HTTP}
WARM_UP_S = 1


async def push(request: Request) -> Response:
    """Read a webhook, and say yes."""
    await request.body()
    headers = {"location": "http://127.0.0.1/operations/1", "retry-after": "10"}
    return Response(b'{"id":"1"}', 202, headers, "application/json")


def serve(name: str) -> None:
    """One contender, until a signal comes; it prints its port."""
    listener = listen(Settings(regions=("eastus",), port=0))
    config = uvicorn.Config(
        Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])]),
        http=CONTENDERS[name],
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    print(f"{listener.getsockname()[1]},", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


def compare(rounds: int, seconds: float) -> None:
    """Alternating rounds, and a line for each contender."""
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    work_us: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(module(SERVER_CORE, "benchmarks.protocols", "--serve", name))
            for name in CONTENDERS
        }
        for number in range(-1, rounds):
            for name, process in running.items():
                before_s = worked_s(process.pid)
                seen = load.run(process.port, seconds if number >= 0 else WARM_UP_S, f"round{number}")
                if number >= 0:
                    rates[name].append(seen.rate)
                    work_us[name].append((worked_s(process.pid) - before_s) * 1e6 / seen.acknowledged)
    first = next(iter(CONTENDERS))
    for name in CONTENDERS:
        faster = median(mine / its for mine, its in zip(rates[name], rates[first], strict=True))
        dearer = median(mine / its for mine, its in zip(work_us[name], work_us[first], strict=True))
        print(
            f"  {name:10} {median(rates[name]):7,.0f} requests/s ({faster:.2f}), "
            f"{median(work_us[name]):4.0f} µs of work per request ({dearer:.2f})"
        )


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.serve:
        serve(options.serve)
        sys.exit()
    print("protocols: the same application under uvicorn, with each implementation of HTTP/1.1")
    print(f"  {describe()}; {load.TOOL}, {load.CONNECTIONS} connections; ratios to the first, by round")
    compare(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
