"""`python -m zkmq` is `zkmq`."""

from zkmq.cli import main

main()
