"""The agency's long-running service: the HTTP API, the handlers of its messages, and tracing."""
