"""The demo's hostile requests are what they claim to be."""

from pathlib import Path

import pytest
from glomar_local.demo import answers, hostile
from glomar_local.layout import Layout
from glomar_local.ports import consecutive
from glomar_local.provision.provision import provision
from glomar_schemas.crypto.dsse import open_envelope, require_signer
from glomar_schemas.errors import Malformed, Untrusted
from glomar_schemas.messages import Request


def test_a_forged_request_is_well_formed_and_its_signature_does_not_hold(tmp_path: Path) -> None:
    identity = answers.identity_of(provision(Layout(tmp_path / "data"), consecutive()))
    (forged,) = hostile.make(1, 0, identity)

    request, envelope = open_envelope(
        forged.body, Request, identity.subjects.request("ice", forged.request_id)
    )

    with pytest.raises(Untrusted, match="does not hold"):
        require_signer(envelope, "ice", identity.signed.ring, request.issued_at)


def test_malformed_bodies_are_no_requests(tmp_path: Path) -> None:
    identity = answers.identity_of(provision(Layout(tmp_path / "data"), consecutive()))
    found = hostile.make(0, len(hostile.MALFORMED_BODIES), identity)

    for each in found:
        with pytest.raises(Malformed):
            open_envelope(each.body, Request, identity.subjects.request("ice", each.request_id))
    assert len({each.request_id for each in found}) == len(found)
