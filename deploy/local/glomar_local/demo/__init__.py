"""The demonstration: what it asks, what it checks, what it prints."""
