"""What durability costs: ``python -m benchmarks throughput [--rounds N] [--seconds S] [--write]``.

`fanin serve` on SQLite, with a full flush per batch, in the four states that a sink can be in, beside a
plain Starlette route that decodes the same body and stores nothing (`benchmarks.plain_route`, which shares
nothing with the product). Each server has one core to itself, with everything that belongs to it; load and
sink have the other one. Contenders take turns within a round, and ratios are taken within a round, so that
all meet the same weather; medians of the rounds are printed, as the table that ``docs/benchmarks.md`` has.
``--write`` puts the table there, and its sentence into every page that quotes it.
"""

import argparse
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from benchmarks import load
from benchmarks.machine import describe, flush_ms
from benchmarks.processes import LOAD_CORE, SERVER_CORE, Running, module, worked_s

DOCS = Path(__file__).parents[1] / "docs"
TABLE_PAGE = DOCS / "benchmarks.md"
TABLE = re.compile(r"(<!-- measured by: python -m benchmarks throughput -->\n)(.*?)(<!-- end -->)", re.DOTALL)
SENTENCE = re.compile(r"(<!-- quoted from: benchmarks.md -->\n)([^\n]*\n)")

WARM_UP_S = 2
# A sink that is up has this long to take what is left of a round.
DRAIN_S = 60
PACKAGES = ("starlette", "uvicorn", "uvloop", "httptools", "msgspec")
PLAIN, UP, NONE, DOWN, HANGING = "plain route", "up", "none", "down", "hanging"
STATES = (UP, NONE, DOWN, HANGING)
TITLES = {
    PLAIN: "a plain Starlette route, which stores nothing",
    UP: "with the sink up",
    NONE: "without a sink",
    DOWN: "with the sink down",
    HANGING: "with a sink that hangs",
}


@dataclass(frozen=True, slots=True)
class Round:
    """One contender under load for a few seconds."""

    rate: float  # acknowledged webhooks per second
    p50_ms: float
    p99_ms: float
    work_us: float  # processor time of the server per acknowledged webhook


def metrics(port: int) -> dict[str, float]:
    """The service's own figures, by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def play(server: Running, seconds: float, salt: str, *, drains: bool) -> Round:
    """One round; then, if a sink is there, until it has taken everything."""
    before_s = worked_s(server.pid)
    seen = load.run(server.port, seconds, salt)
    if drains:
        give_up = time.monotonic() + DRAIN_S
        while metrics(server.port)["fanin_outbox"]:
            assert time.monotonic() < give_up, "the outbox does not drain"
            time.sleep(0.1)
    work_us = (worked_s(server.pid) - before_s) / seen.acknowledged * 1e6
    return Round(seen.rate, seen.p50_ms, seen.p99_ms, work_us)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which connections are refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def measure(rounds: int, seconds: float, folder: Path) -> dict[str, list[Round]]:
    """The rounds of each contender, after a warm-up that does not count."""
    common = {"FANIN_REGIONS": "northeurope,westeurope,eastus", "FANIN_TIMEOUT": "1h", "FANIN_PORT": "0"}
    with ExitStack() as stack:
        ports = {
            UP: stack.enter_context(module(LOAD_CORE, "benchmarks.sink")).port,
            HANGING: stack.enter_context(module(LOAD_CORE, "benchmarks.sink", "hang")).port,
            DOWN: stack.enter_context(closed_port()),
        }
        servers = {PLAIN: stack.enter_context(module(SERVER_CORE, "benchmarks.plain_route"))}
        for state in STATES:
            settings = common | {"FANIN_DATA_DIR": str(folder / state)}
            if state in ports:
                settings["FANIN_NOTIFY_URL"] = f"http://127.0.0.1:{ports[state]}/hook"
            servers[state] = stack.enter_context(module(SERVER_CORE, "fanin.aggregator", settings=settings))
        for name, server in servers.items():
            play(server, WARM_UP_S, "warm", drains=name == UP)
        seen: dict[str, list[Round]] = {name: [] for name in servers}
        for number in range(rounds):
            for name, server in servers.items():
                seen[name].append(play(server, seconds, f"round{number}", drains=name == UP))
            rates = ", ".join(f"{name} {found[-1].rate:,.0f}/s" for name, found in seen.items())
            print(f"  round {number + 1} of {rounds}: {rates}", flush=True)
    return seen


def share(seen: dict[str, list[Round]], name: str, of: str) -> float:
    """The median of the rounds' ratios of two contenders' rates."""
    return median(one.rate / other.rate for one, other in zip(seen[name], seen[of], strict=True))


def table(seen: dict[str, list[Round]]) -> str:
    """The table of ``docs/benchmarks.md``."""
    lines = [
        "| | acknowledged/s | of the plain route's | of that with the sink up | p50 ms | p99 ms | work, µs |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rounds in seen.items():
        of_plain = f"{share(seen, name, PLAIN):.2f}"
        of_up = "-" if name == PLAIN else f"{share(seen, name, UP):.2f}"
        lines.append(
            f"| {TITLES[name]} | {median(it.rate for it in rounds):,.0f} | {of_plain} | {of_up} "
            f"| {median(it.p50_ms for it in rounds):.1f} | {median(it.p99_ms for it in rounds):.1f} "
            f"| {median(it.work_us for it in rounds):.0f} |"
        )
    return "\n".join(lines) + "\n"


def sentence(seen: dict[str, list[Round]]) -> str:
    """What other pages quote."""
    rate = median(it.rate for it in seen[UP])
    rest = ", ".join(f"{share(seen, name, PLAIN):.2f} {TITLES[name]}" for name in (NONE, DOWN, HANGING))
    return (
        f"On one core `fanin serve` acknowledged {rate:,.0f} webhooks a second, stored, flushed and told, "
        f"which is {share(seen, UP, PLAIN):.2f} of what a plain Starlette route did that stores nothing; "
        f"{rest}.\n"
    )


def write(printed: str, quoted: str) -> None:
    """Put the table into its page, and the sentence into the pages that quote it."""
    page = TABLE_PAGE.read_text(encoding="utf-8")
    TABLE_PAGE.write_text(TABLE.sub(lambda it: f"{it[1]}{printed}\n{quoted}{it[3]}", page), encoding="utf-8")
    for path in quoting_pages():
        text = path.read_text(encoding="utf-8")
        path.write_text(SENTENCE.sub(lambda it: it[1] + quoted, text), encoding="utf-8")


def quoting_pages() -> list[Path]:
    """The pages that quote the sentence."""
    pages = [*DOCS.parent.glob("*.md"), *DOCS.glob("*.md")]
    return [path for path in sorted(pages) if SENTENCE.search(path.read_text(encoding="utf-8"))]


def main() -> None:
    """Measure, and print how it was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into the pages that have it")
    # `make bench` runs every benchmark with one command line.
    options, _ = parser.parse_known_args()
    print("throughput: acknowledged webhooks per second, and what durability leaves of them")
    with tempfile.TemporaryDirectory(prefix="fanin-bench-", dir=".") as name:
        how = (
            f"{describe()}; {', '.join(f'{it} {version(it)}' for it in PACKAGES)}; {load.TOOL}, "
            f"{load.CONNECTIONS} connections, three regions per id, {options.rounds} rounds of "
            f"{options.seconds:g} s; a flush of 4 KiB took {flush_ms(Path(name)):.2f} ms"
        )
        print(f"  {how}", flush=True)
        seen = measure(options.rounds, options.seconds, Path(name))
    printed, quoted = f"{how}.\n\n{table(seen)}", sentence(seen)
    print(f"\n{printed}\n{quoted}")
    if options.write:
        write(printed, quoted)


if __name__ == "__main__":
    main()
