"""The match without a bus: a file of requests, one request explained, tags."""
