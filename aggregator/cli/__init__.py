"""The aggregator's own commands: ``fanin serve`` and those that look at a running service or at its data."""
