"""The record holder's service: checks that a request is lawful, matches it with the register, and answers."""
