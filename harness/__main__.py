"""The command `harness`, which needs the packages of `zkmq[harness]`."""

import sys

from zkmq import extras


def main() -> None:
    """Run the command line, or say which package it lacks."""
    try:
        from harness.commands import harness_command  # noqa: PLC0415 -- see the error below
    except ModuleNotFoundError as error:
        sys.exit(extras.told("harness", error, "zkmq[harness]"))
    harness_command.main()


if __name__ == "__main__":
    main()
