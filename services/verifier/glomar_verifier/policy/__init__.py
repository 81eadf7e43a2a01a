"""The gate: evaluates an agreement's conditions for a request before the register is read."""
