"""A simulator, a judge, and a durable aggregator for the webhook fan-in pattern."""
