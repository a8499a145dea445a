"""The world around an aggregator: a fake geo-replicated registry that replays scenarios."""
