"""Scenarios nobody wrote: drawn from a seed, and shrunk to the smallest that still shows the finding."""
