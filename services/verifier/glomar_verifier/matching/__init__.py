"""Whether a register's record matches a request: normal forms, spelling, blocking keys and the rule."""
