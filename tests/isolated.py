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
LIGHT = {
    "glomar_requester": ["client", "ask", "identity", "verification.release"],
    "glomar_verifier": ["app", "cli"],
}
"""What must import without any extra. Everything, for packages that are not listed."""

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
prefix = f"{sys.argv[1]}."
found = (module.name for module in pkgutil.walk_packages(package.__path__, prefix))
names = [prefix + name for name in sys.argv[2:]] or [name for name in found if not name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
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
