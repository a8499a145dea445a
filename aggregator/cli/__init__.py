"""The aggregator's commands: ``fanin serve``, and those that show or change a running service or its data."""
