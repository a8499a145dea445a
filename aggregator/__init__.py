"""The durable fan-in service: many regional webhooks in, one notification out."""
