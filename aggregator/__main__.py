"""``python -m fanin.aggregator`` is ``fanin serve``."""

from fanin.aggregator.cli.serve import serve

if __name__ == "__main__":
    serve(prog_name="fanin serve")
