"""`python -m zkmq` is `zkmq`."""

from zkmq.cli.zkmq_command import main

main()
