"""Requests to the bus: composed, signed, sealed and sent."""
