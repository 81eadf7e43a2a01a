"""Creates the stream and its consumers, as the administrator of account BUS. Never called by a service.

What exists with other settings is refused, not mended: write-once, no deletion and no expiry are what the
guarantees rest on, so a difference is an incident.
"""

import json
from collections.abc import Mapping
from typing import Any

from glomar_schemas.errors import GlomarError, IntegrityError, Misconfigured, Unreachable
from glomar_schemas.subjects import MAX_MESSAGE_BYTES, Subjects
from nats.aio.client import Client
from nats.errors import NoRespondersError

_NANO = 1_000_000_000
ACK_WAIT_S = 10

_MISTAKES = {
    10039: "Use the operator's nkey, of account BUS",
    10059: "Is it the right incarnation?",
    10065: "Retire the stream of the incarnation before",
}
"""By nats-server's err_code: no JetStream for this account, no such stream, subjects of another stream."""


def stream_config(subjects: Subjects, replicas: int = 1) -> dict[str, Any]:
    """No max_age: after it a subject takes a second verdict, and an aged-out hold no longer fences."""
    return {
        "name": subjects.stream,
        "subjects": subjects.stored(),
        "storage": "file",
        "retention": "limits",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "discard": "new",
        "discard_new_per_subject": True,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "allow_atomic": True,
        "max_msg_size": MAX_MESSAGE_BYTES,
        # Nats-Msg-Id: another party's id would swallow a message. It can't be turned off; this is the least.
        "duplicate_window": 100_000_000,
        # What nobody asks for is named too, so that it is compared.
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "sealed": False,
        "no_ack": False,
        "allow_rollup_hdrs": False,
        "allow_msg_ttl": False,
        "allow_msg_counter": False,
        "allow_msg_schedules": False,
        "mirror": None,
        "sources": None,
        "republish": None,
        "subject_transform": None,
    }


def retired_config(subjects: Subjects, replicas: int = 1) -> dict[str, Any]:
    """Of a stream that has, or will have, a successor: read for ever, and never written again."""
    return {**stream_config(subjects, replicas), "subjects": [subjects.retired()], "sealed": True}


def canary_config(subjects: Subjects, replicas: int = 1) -> dict[str, Any]:
    return {
        "name": f"{subjects.stream}_CANARY",
        "subjects": [subjects.canary("*")],
        "storage": "file",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "discard": "old",
        "max_msg_size": 1024,
    }


def consumer_configs(subjects: Subjects) -> dict[str, dict[str, Any]]:
    """verifier: work, shared by its workers. auditor: a feed in stream order, whose cursor is the ledger.

    max_ack_pending is how far the server pushes ahead, and how much comes again after a crash.
    """
    shared = {"ack_wait": ACK_WAIT_S * _NANO, "max_deliver": -1, "deliver_policy": "all"}
    return {
        "verifier": {
            **shared,
            "ack_policy": "explicit",
            # Not `request.*.*`: the server delivers a request whose token is ">" to no such filter.
            "filter_subject": f"{subjects.root}.request.>",
            "deliver_subject": subjects.delivery("verifier"),
            "deliver_group": "verifier",
            "max_ack_pending": 500,
        },
        "auditor": {
            **shared,
            "ack_policy": "all",
            "deliver_subject": subjects.delivery("auditor"),
            "deliver_group": "auditor",
            "max_ack_pending": 2000,
        },
    }


async def create(admin: Client, subjects: Subjects, replicas: int = 1) -> None:
    """Makes sure that everything exists exactly as configured; a predecessor must have been retired.

    Raises IntegrityError, Unreachable, Misconfigured (not the operator's nkey, another incarnation is meant).
    """
    await _ensure_stream(admin, stream_config(subjects, replicas))
    if subjects.predecessor:
        # It holds nothing of worth, and no two streams may take the same subjects.
        await _call(admin, f"STREAM.DELETE.{canary_config(subjects.predecessor)['name']}", None)
    await _ensure_stream(admin, canary_config(subjects, replicas))
    for name, config in consumer_configs(subjects).items():
        wanted = {"durable_name": name, "name": name, **config}
        path = f"{subjects.stream}.{name}"
        body = {"stream_name": subjects.stream, "config": wanted}
        await _ensure(admin, f"CONSUMER.INFO.{path}", f"CONSUMER.CREATE.{path}", wanted, body)


async def retire(admin: Client, subjects: Subjects) -> None:
    """Seals the stream, which can't be undone, so that its successor can be created. May be repeated.

    Raises IntegrityError, Unreachable, Misconfigured (not the operator's nkey, another incarnation is meant).
    """
    info = f"STREAM.INFO.{subjects.stream}"
    found = await _call(admin, info, None)
    if "error" not in found:
        wanted = retired_config(subjects, found["config"]["num_replicas"])
        if not differing(wanted, found["config"]):
            return
        found = await _call(admin, f"STREAM.UPDATE.{subjects.stream}", {**found["config"], **wanted})
    if "error" in found:
        raise _refused(found["error"], info)


def _refused(error: Mapping[str, Any], where: str) -> GlomarError:
    """What a mistake of the operator's looks like to the server, said as such."""
    what = f"nats-server refused: {error.get('description')}"
    if (fix := _MISTAKES.get(error.get("err_code", 0))) is not None:
        return Misconfigured(what, where=where, fix=fix)
    return IntegrityError(what, where=where)


async def _ensure_stream(admin: Client, config: dict[str, Any]) -> None:
    name = config["name"]
    await _ensure(admin, f"STREAM.INFO.{name}", f"STREAM.CREATE.{name}", config, config)


async def _ensure(
    admin: Client, info: str, create_: str, wanted: dict[str, Any], body: dict[str, Any]
) -> None:
    found = await _call(admin, info, None)
    if "error" in found:
        if filter_subject := wanted.get("filter_subject"):
            create_ = f"{create_}.{filter_subject}"
        found = await _call(admin, create_, body)
        if "error" in found:
            raise _refused(found["error"], create_)
    different = differing(wanted, found["config"])
    if different:
        raise IntegrityError(
            f"exists with other settings of {', '.join(different)}",
            where=wanted["name"],
            fix="Find out who changed them; the guarantees do not hold with these",
        )


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names of the settings that the server reports otherwise, in order."""
    return sorted(name for name, value in wanted.items() if found.get(name, _absent(value)) != value)


def _absent(value: Any) -> Any:
    """The server leaves out what is zero."""
    return None if value is None else type(value)()


async def _call(admin: Client, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    try:
        reply = await admin.request(f"$JS.API.{path}", json.dumps(body).encode() if body else b"", timeout=5)
    except (NoRespondersError, TimeoutError):
        raise Unreachable("JetStream does not answer", where="nats-server", fix="Is it enabled?") from None
    answer: dict[str, Any] = json.loads(reply.data)
    return answer
