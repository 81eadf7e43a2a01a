"""Library of the services: settings, bus, telemetry, health and the frame that runs a service."""
