"""Lists that are kept by hand: vetoes of the record holder, case rolls of the agencies."""
