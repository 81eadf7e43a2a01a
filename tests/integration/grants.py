"""Every subject that a party could call, and the subjects that each party may call.

Written by hand from PROTOCOL.md and SECURITY.md, not from the configuration under test.
"""

STREAM = "IRS_ICE_2025_1"
ROOT = "glomar.irs-ice-2025"
PARTIES = ("ice", "cbp", "irs", "tigta")
API = (
    "INFO", "ACCOUNT.PURGE.BUS", "META.LEADER.STEPDOWN", "STREAM.NAMES", "STREAM.LIST", "STREAM.CREATE.EVIL",
    *(f"STREAM.{verb}.{STREAM}" for verb in (
        "CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE",
        "LEADER.STEPDOWN", "PEER.REMOVE",
    )),
    *(f"CONSUMER.{verb}.{STREAM}" for verb in ("CREATE", "NAMES", "LIST")),
    *(f"CONSUMER.{verb}.{STREAM}.evil" for verb in ("CREATE", "DURABLE.CREATE")),
    *(
        f"CONSUMER.{verb}.{STREAM}.{consumer}"
        for consumer in ("verifier", "auditor")
        for verb in (
            "CREATE", "DURABLE.CREATE", "DELETE", "INFO", "MSG.NEXT", "PAUSE", "UNPIN", "RESET",
            "LEADER.STEPDOWN",
        )
    ),
    f"CONSUMER.CREATE.{STREAM}.verifier.{ROOT}.request.>",
    f"DIRECT.GET.{STREAM}",
    *(f"DIRECT.GET.{STREAM}.{ROOT}.{rest}" for rest in (
        "request.ice.known", "request.cbp.known", "verdict.ice.known", "control.1", "request.ice.a.b", ">",
        "recall.ice.known", "ack.ice.known",
    )),
)  # fmt: skip
"""The calls of the JetStream API; each is tried with its own and with the imported prefix."""

OTHERS = (
    *(f"{ROOT}.{rest}" for rest in (
        "request.ice.new", "request.cbp.new", "request.ice.new.deeper", "request.ice", "verdict.ice.new",
        "verdict.cbp.new", "verdict.ice", "control.2", "control.99", "recall.ice.new", "recall.cbp.new",
        "recall.ice", "recall.ice.new.deeper", "ack.ice.new", "ack.cbp.new", "ack.ice", "ack.ice.new.deeper",
        "result.ice", "result.cbp", "checkpoint", "notice.ice", "notices.ice", "notices.cbp",
        "canary.ice", "canary.cbp", "canary.irs", "canary.tigta", "canary.bus",
        "deliver.verifier", "deliver.auditor",
    )),
    f"$JS.ACK.{STREAM}.verifier.1.2.1.1700000000000000000.0",
    f"$JS.ACK.{STREAM}.auditor.1.2.1.1700000000000000000.0",
    f"$JS.FC.{STREAM}.verifier.x",
    "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.ACCOUNT.BUS.INFO", "$SYS.REQ.CLAIMS.LIST",
)  # fmt: skip

GRANTED = {
    "ice": {
        f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.ice.known", f"{ROOT}.request.ice.new",
        f"{ROOT}.canary.ice", f"{ROOT}.result.ice", f"{ROOT}.ack.ice.new", f"{ROOT}.notices.ice",
    },
    "cbp": {
        f"BUS.API.DIRECT.GET.{STREAM}.{ROOT}.request.cbp.known", f"{ROOT}.request.cbp.new",
        f"{ROOT}.canary.cbp", f"{ROOT}.result.cbp", f"{ROOT}.ack.cbp.new", f"{ROOT}.notices.cbp",
    },
    "irs": {
        f"BUS.API.STREAM.MSG.GET.{STREAM}", f"BUS.API.CONSUMER.INFO.{STREAM}.verifier",
        f"{ROOT}.verdict.ice.new", f"{ROOT}.verdict.cbp.new", f"{ROOT}.canary.irs",
        f"{ROOT}.control.2", f"{ROOT}.control.99",
        f"{ROOT}.recall.ice.new", f"{ROOT}.recall.cbp.new",
        f"$JS.ACK.{STREAM}.verifier.1.2.1.1700000000000000000.0",
    },
    "tigta": {
        f"BUS.API.STREAM.MSG.GET.{STREAM}", f"BUS.API.STREAM.INFO.{STREAM}",
        f"BUS.API.CONSUMER.INFO.{STREAM}.auditor", f"{ROOT}.canary.tigta",
        f"{ROOT}.control.2", f"{ROOT}.control.99",
        f"$JS.ACK.{STREAM}.auditor.1.2.1.1700000000000000000.0",
    },
}  # fmt: skip
"""The subjects that each party may call. All others must be refused."""

EVERYTHING = (*(f"{prefix}.{path}" for prefix in ("$JS.API", "BUS.API") for path in API), *OTHERS)
