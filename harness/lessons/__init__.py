"""Six aggregators, each of which mends the bug of the one before it, and the course that plays them.

``docs/guide/`` is the course's text.

Each chapter is an ASGI application of its own, as a reader would write it; ``plumbing`` is what all of them
need and none is about. ``course`` says which scenario each chapter fails, and why the next one does not.
"""
