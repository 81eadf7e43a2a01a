"""Whether the agreement allows a request: the gate and its facts."""
