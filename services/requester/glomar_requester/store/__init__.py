"""The agency's durable store of requests and answers."""
