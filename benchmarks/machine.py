"""What a figure was measured on."""

import os
import platform
import sqlite3
from pathlib import Path


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
