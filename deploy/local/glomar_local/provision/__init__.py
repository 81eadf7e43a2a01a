"""Keys, credentials and configuration of a system on one machine."""
