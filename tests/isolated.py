"""Imports every module of each package with nothing installed but what that package declares.

Run by `make check`: the shared environment would hide an import that a package forgot to declare.
"""

import os
import subprocess
import sys

PACKAGES = {
    "schemas": "glomar-schemas",
    "runtime": "glomar-runtime",
    "requester": "glomar-requester",
    "verifier": "glomar-verifier",
    "auditor": "glomar-auditor",
    "evaluation": "glomar-evaluation",
    "local": "glomar-local",
}
LIGHT = {"glomar_requester": ["client", "ask", "inbox", "profile"], "glomar_verifier": ["app", "cli"]}
"""What must import without any extra. Everything, for packages that are not listed."""

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = sys.argv[2:] or [m.name for m in pkgutil.walk_packages(package.__path__, "") if m.name != "__main__"]
for name in names:
    importlib.import_module(f"{sys.argv[1]}.{name}")
print(f"{sys.argv[1]}: {len(names)} modules import on their own")
"""


def main() -> int:
    uv = os.environ.get("UV", "uv")
    failed = 0
    for short, distribution in PACKAGES.items():
        package = f"glomar_{short}"
        command = [uv, "run", "--quiet", "--isolated", "--frozen", "--no-dev", "--package", distribution]
        command += ["python", "-c", IMPORT_ALL, package, *LIGHT.get(package, [])]
        failed += subprocess.run(command, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
