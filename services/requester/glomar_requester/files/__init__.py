"""Request files, result files, and the run from one to the other."""
