"""The page for people at ``GET /``: what waits, what came out, the targets, and what they do not accept."""
