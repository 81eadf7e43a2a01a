"""The state of a running system, as `glomar status` shows it."""
