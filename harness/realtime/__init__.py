"""Worlds whose aggregator is a process: real time, real signals, several side by side."""
