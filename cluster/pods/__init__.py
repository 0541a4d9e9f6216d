"""One node: its sandbox and server, and the mechanics that disturb them."""
