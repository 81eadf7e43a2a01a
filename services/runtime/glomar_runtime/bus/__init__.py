"""NATS: connection, streams and consumers, delivery of stored messages, and their description."""
