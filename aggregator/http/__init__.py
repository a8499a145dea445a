"""The HTTP surface: webhooks in, operations and the outbox shown."""
