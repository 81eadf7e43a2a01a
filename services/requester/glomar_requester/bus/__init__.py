"""The client's connection to the bus and its durable publishing."""
