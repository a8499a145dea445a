"""``make bench``: the standard set, one after the other. ``python -m benchmarks NAME...`` runs some of it.

Options that follow are handed on, such as ``--rounds 5``. Every benchmark prints what it is doing.
"""

import argparse
import subprocess
import sys

# In the order in which they run, with about how long each takes.
STANDARD = {
    "simulation": "three minutes",
    "throughput": "three minutes",
    "latency": "a minute",
    "waiting": "two minutes",
    "peers": "five minutes",
}
MORE = {
    "growth": "three minutes",
    "attacks": "three minutes",
    "demo": "a minute",
    "protocols": "a minute",
    "soak": "five minutes",
    "power_loss": "three minutes",
    "durable_task": "two minutes",
    "restate": "three minutes",
}


def main() -> None:
    """Run them; exit 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*STANDARD, *MORE]))
    options, rest = parser.parse_known_args()
    takes = STANDARD | MORE
    if unknown := [name for name in options.names if name not in takes]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(takes)}")
    names = options.names or list(STANDARD)
    failed = []
    for number, name in enumerate(names, 1):
        print(f"[{number} of {len(names)}] {name}, about {takes[name]}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *rest], check=False)
        if done.returncode:
            failed.append(name)
        print(flush=True)
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
