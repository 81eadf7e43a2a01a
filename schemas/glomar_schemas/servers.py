"""The servers of a bus: one URL, or those of a cluster's nodes with commas between. Pure; called by whoever
connects.
"""


def attempts(url: str) -> list[list[str]]:
    """The servers in the order in which to try them, once for each as the first one.

    nats-py gives up its first connection when the first server does not answer, however many it knows.
    """
    servers = url.split(",")
    return [servers[first:] + servers[:first] for first in range(len(servers))]
