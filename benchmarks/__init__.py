"""Figures, each printed with how it was measured. Never a test: machines differ, and are noisy."""
