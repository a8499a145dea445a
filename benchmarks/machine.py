"""What a figure was measured on."""

import os
import platform
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median


def describe() -> str:
    """One line: processor, cores, Python, SQLite."""
    cpuinfo = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    cores = os.cpu_count()
    return f"{model}, {cores} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def flush_ms(folder: Path) -> float:
    """What one flush of a small write costs on this disk, which decides how dear durability is."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(100):
            file.write(b"x" * 4_096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return median(times) * 1000
