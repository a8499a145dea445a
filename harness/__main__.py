"""``python -m harness`` is ``fanin``."""

from harness.cli import main

if __name__ == "__main__":
    main(prog_name="fanin")
