"""``python -m fanin.aggregator`` is ``fanin serve``."""

from fanin.aggregator.cli.serve import serve
from fanin.standard_streams import open_closed

if __name__ == "__main__":
    open_closed()
    serve(prog_name="fanin serve")
