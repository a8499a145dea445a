"""Somebody's aggregator against the whole pack: the target, the runs, the conformance card."""
