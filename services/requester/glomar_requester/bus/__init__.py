"""The client's connection to the bus, and durable publishing."""
