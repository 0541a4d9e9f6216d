"""What to install when a package is missing that comes with an extra."""


def told(command: str, missing: ModuleNotFoundError, extra: str) -> str:
    """Return a sentence that names the missing package and its extra.

    Raises:
        ModuleNotFoundError: the module is one of ours, which is a defect and no missing extra.
    """
    package = (missing.name or "").partition(".")[0]
    if package in {"zkmq", "harness", "cluster"}:
        raise missing
    return f"{command}: it needs {package}: pip install '{extra}'"
