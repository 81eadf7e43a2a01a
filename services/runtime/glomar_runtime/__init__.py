"""What every service stands on: settings, the bus, telemetry, health. A library; it knows no service."""
