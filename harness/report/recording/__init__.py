"""A run as a document that the player plays: what happened when, in words and as figures."""
