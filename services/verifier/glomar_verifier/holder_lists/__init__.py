"""Lists that are maintained by hand: the record holder's vetoes, the agencies' case rolls."""
