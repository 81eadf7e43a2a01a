"""NATS: connection, streams and consumers, stored messages, controls, and the AsyncAPI document."""
