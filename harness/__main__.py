"""The command `harness`, which needs the packages of `zkmq[harness]`."""

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line, or say which packages it lacks."""
    if find_spec("docker") is None or find_spec("pydantic") is None:
        sys.exit("harness: expected the packages of the harness: pip install 'zkmq[harness]'")
    from harness.commands import harness_command  # noqa: PLC0415 -- not before it can be imported

    harness_command.main()


if __name__ == "__main__":
    main()
