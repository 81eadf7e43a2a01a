"""Ports are chosen so that they are still free when they are used, and a taken one is named."""

import socket

import pytest
from glomar_local.ports import HOST, consecutive, free, require_free
from glomar_schemas.errors import Misconfigured
from msgspec.structs import replace


def test_five_consecutive_ports_are_named() -> None:
    assert consecutive(30_000).named() == {
        "bus": 30_000,
        "requester": 30_001,
        "verifier": 30_002,
        "auditor": 30_003,
        "traces": 30_004,
    }


@pytest.mark.parametrize("first", [-1, 0, 65_532, 70_000])
def test_what_is_no_port_is_refused(first: int) -> None:
    with pytest.raises(Misconfigured, match="--port"):
        consecutive(first)


def test_free_ports_are_free_and_different() -> None:
    ports = free()

    require_free(ports)
    assert len(set(ports.named().values())) == 5


def test_a_taken_port_is_named_with_its_purpose() -> None:
    with socket.create_server((HOST, 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"port {number} \(auditor\) is taken"):
            require_free(replace(free(), auditor=number))
