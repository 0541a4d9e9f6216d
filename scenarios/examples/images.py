"""An image pipeline: `python images.py localhost:2181 FOLDER` makes the edits that `edit` puts.

Each image is a group. Its edits are made one at a time, in the order in which they were put, and
different images are worked on side by side, by as many workers as there are. Images are PGM files.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from zkmq import Job, Put, Queue

Rows = list[list[int]]


def invert(rows: Rows) -> Rows:
    return [[255 - pixel for pixel in row] for row in rows]


def mirror(rows: Rows) -> Rows:
    return [row[::-1] for row in rows]


def turn(rows: Rows) -> Rows:
    return [list(column) for column in zip(*rows[::-1], strict=True)]


EDITS = {"invert": invert, "mirror": mirror, "turn": turn}


def connect(hosts: str, path: str = "/images", **settings: Any) -> Queue:
    return Queue.connect(hosts, path, **settings)


def edit(queue: Queue, image: str, name: str) -> Put:
    """Let an edit be made of an image, after all edits of it that were put before."""
    return queue.put(name.encode(), group=image)


def make(folder: Path, job: Job) -> None:
    """Make an edit. The file says which one was the last, so that none is made twice."""
    file = folder / f"{job.group}.pgm"
    last, rows = read(file)
    if last != job.id:
        write(file, job.id, EDITS[job.data.decode()](rows))


def read(file: Path) -> tuple[str, Rows]:
    """Return the last edit, and the pixels: `P2`, `# the last edit`, sizes, 255, rows."""
    lines = file.read_text().splitlines()
    return lines[1].removeprefix("# "), [[int(pixel) for pixel in row.split()] for row in lines[4:]]


def write(file: Path, last: str, rows: Rows) -> None:
    """Write the file as a whole, or not at all."""
    pixels = [" ".join(map(str, row)) for row in rows]
    text = "\n".join(["P2", f"# {last}", f"{len(rows[0])} {len(rows)}", "255", *pixels, ""])
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(text)
    new.replace(file)


def main(hosts: str, folder: Path) -> None:
    with connect(hosts) as queue:
        print(queue.work(partial(make, folder), concurrency=os.cpu_count() or 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
