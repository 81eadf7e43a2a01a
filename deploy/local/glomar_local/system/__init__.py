"""The processes of a system on one machine, and the control of them."""
