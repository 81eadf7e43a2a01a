"""A log seen from outside: consistency over time, and evidence of a fork."""
