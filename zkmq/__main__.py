"""The command `zkmq`, which needs the packages of `zkmq[cli]`."""

import sys

from zkmq import extras


def main() -> None:
    """Run the command line, or say which package it lacks."""
    try:
        from zkmq.cli import zkmq_command  # noqa: PLC0415 -- the queue alone has no command line
    except ModuleNotFoundError as error:
        sys.exit(extras.told("zkmq", error, "zkmq[cli]"))
    zkmq_command.main()


if __name__ == "__main__":
    main()
