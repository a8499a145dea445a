"""Targets outside this process: a command, or a deployment at a URL."""
