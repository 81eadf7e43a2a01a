"""Requests on their way out: composed, signed, sealed and sent."""
