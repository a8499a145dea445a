"""Random scenarios: drawn from a seed, and shrunk while they still break a rule."""
