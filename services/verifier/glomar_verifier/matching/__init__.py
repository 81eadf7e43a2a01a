"""Whether a record matches a request: normal forms, spelling, the rule."""
