"""Telling the subscriber: what is said (a format each), how it travels (http), until accepted (outbox)."""
