"""The worker loop: reserve items, run handlers on them, and end each item by what came out."""
