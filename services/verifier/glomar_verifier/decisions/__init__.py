"""From a delivered request to its stored verdict: open, count, gate, match, write, store; or hold."""
