"""Plays scenarios against an aggregator, records a history, and judges it."""
