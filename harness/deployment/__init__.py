"""Worlds whose aggregator is somewhere else: an address, a bounded rate, and nothing that can be crashed."""
