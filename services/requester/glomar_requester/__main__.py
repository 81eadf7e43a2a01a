"""The `glomar-requester` command; it says what to install if only the light client is."""

import sys


def main() -> None:
    try:
        from glomar_requester.cli import main as run
    except ModuleNotFoundError as missing:
        sys.exit(
            f"glomar-requester: {missing.name} is not installed. "
            "The commands and the service need glomar-requester[service]; the client alone does not"
        )
    run()


if __name__ == "__main__":
    main()
