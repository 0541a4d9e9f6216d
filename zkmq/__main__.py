"""The command `zkmq`, which needs the packages of `zkmq[cli]`."""

import sys


def main() -> None:
    """Run the command line, or say which packages it lacks."""
    try:
        from zkmq.cli import zkmq_command  # noqa: PLC0415 -- the queue alone has no command line
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit(f"zkmq: the command needs {error.name}: pip install 'zkmq[cli]'")
    zkmq_command.main()


if __name__ == "__main__":
    main()
