"""Folders that tests read, wherever the test itself lies."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FOREIGN_APPS = ROOT / "tests" / "harness" / "world" / "foreign_apps"
