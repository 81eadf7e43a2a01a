"""The ledger over HTTP: published files with the headers that caches need, and no other file."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from glomar_schemas.tlog.layout import bundle_path, tile_path

from tests.support.published_ledger import extend, leaves, serve_ledger

SIZE = 300


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extend(tmp_path_factory.mktemp("publication") / "ledger", leaves(SIZE), 200, SIZE)


@pytest.fixture(scope="module")
def url(directory: Path) -> Iterator[str]:
    with serve_ledger(directory) as at:
        yield at


def call(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The path is sent unchanged: urllib would normalise it."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"{parts.path}/{path}", headers=sent)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()


def test_every_published_file_is_served_byte_for_byte(url: str, directory: Path) -> None:
    paths = ["checkpoint", *(str(path.relative_to(directory)) for path in directory.glob("tile/**/*"))]
    files = [path for path in paths if (directory / path).is_file()]

    assert {str(tile_path(0, 1, 44)), str(bundle_path(0)), str(tile_path(1, 0, 1))} <= set(files)
    for path in files:
        status, headers, body = call(url, path)
        assert (status, body) == (200, (directory / path).read_bytes())
        assert headers["content-length"] == str(len(body))


def test_a_checkpoint_is_text_and_never_cached(url: str) -> None:
    _, headers, _ = call(url, "checkpoint")

    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", [tile_path(0, 0), tile_path(0, 1, 44), bundle_path(0), bundle_path(1, 44)])
def test_tiles_and_bundles_may_be_cached_for_ever(url: str, path: Path) -> None:
    _, headers, _ = call(url, str(path))

    assert headers["content-type"] == "application/octet-stream"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


def test_head_says_what_get_would_send(url: str) -> None:
    status, headers, body = call(url, "checkpoint", "HEAD")
    _, of_get, content = call(url, "checkpoint")

    assert (status, body) == (200, b"")
    assert headers["content-length"] == str(len(content))
    assert headers["etag"] == of_get["etag"]


def test_who_has_a_file_is_not_sent_it_again(url: str) -> None:
    _, headers, _ = call(url, "checkpoint")

    for condition in ({"If_None_Match": headers["etag"]}, {"If_Modified_Since": headers["last-modified"]}):
        status, again, body = call(url, "checkpoint", **condition)
        assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    since = headers["last-modified"]
    assert call(url, "checkpoint", If_None_Match='"other"', If_Modified_Since=since)[0] == 200
    assert call(url, "checkpoint", If_Modified_Since="yesterday")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "journal",
            "lock",
            "log.vkey",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/001.p",
            "tile/0/001.p/",
        ),
        *("tile/0/007", "tile/0/001.p/45", "tile/0/001.p/0", "tile/0/001.p/044", "tile/0/001.p/256"),
        *("tile/00/000", "tile/64/000", "tile/0/0", "tile/0/x000/000/000", "tile/0/000.tmp", "tile/x/000"),
        *(
            "../auditor.toml",
            "tile/../journal",
            "tile/0/../../journal",
            "%2e%2e/auditor.toml",
            "tile/%2e%2e/journal",
        ),
        *("checkpoint/", "checkpoint.tmp", "/etc/passwd", "/journal", "tile/0/000%00", "checkpoint%0a"),
        *("tile/0/" + "x001/" * 5_000 + "000", "tile/0/%D9%A0%D9%A0%D9%A0"),
    ],
)
def test_nothing_else_is_there(url: str, path: str) -> None:
    status, headers, body = call(url, path)

    assert (status, body) == (404, b"nothing is published there\n")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_done_but_reading(url: str, method: str) -> None:
    status, headers, _ = call(url, "checkpoint", method)

    assert (status, headers["allow"]) == (405, "GET, HEAD")
