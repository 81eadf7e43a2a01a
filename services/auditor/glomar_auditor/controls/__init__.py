"""Officials' commands: a control is drafted, signed, shown and published as a file that travels."""
