"""Several servers in one setting."""

import msgspec
import pytest
from glomar_runtime.settings import BusUrl
from glomar_schemas.publish import connection_attempts


def test_each_server_is_the_first_once() -> None:
    assert connection_attempts("nats://a:1,nats://b:2,nats://c:3") == [
        ["nats://a:1", "nats://b:2", "nats://c:3"],
        ["nats://b:2", "nats://c:3", "nats://a:1"],
        ["nats://c:3", "nats://a:1", "nats://b:2"],
    ]
    assert connection_attempts("nats://a:1") == [["nats://a:1"]]


@pytest.mark.parametrize("url", ["nats://a:1", "tls://bus-1:4222,tls://bus-2:4222", "nats://[::1]:4222"])
def test_one_server_and_the_nodes_of_a_cluster_are_urls(url: str) -> None:
    assert msgspec.convert(url, BusUrl) == url


@pytest.mark.parametrize(
    "url", ["", ",", "nats://a:1,", "nats://a:1,http://b:2", "nats://a:1, nats://b:2", "nats://user:pw@a:1"]
)
def test_what_is_no_list_of_servers_is_refused(url: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(url, BusUrl)
