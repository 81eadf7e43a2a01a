"""The agency's long-running service: the HTTP API and its traces."""
