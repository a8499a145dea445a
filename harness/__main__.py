"""``python -m fanin.harness`` is ``fanin``."""

from fanin.harness.cli.main import main

if __name__ == "__main__":
    main(prog_name="fanin")
