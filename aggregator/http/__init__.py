"""The HTTP API, and the HTTP/1.1 protocol under it."""
