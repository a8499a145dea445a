"""Notifications: the port to send them, targets and their formats, HTTP, and the retry policy."""
