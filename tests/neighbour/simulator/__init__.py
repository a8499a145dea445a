"""The project's own: not fanin's."""

OWNER = "neighbour"
