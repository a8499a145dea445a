"""Judges a target of any kind by many scenarios: its configuration, the runs, the results."""
