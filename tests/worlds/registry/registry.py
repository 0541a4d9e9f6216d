"""A registry of images on loopback, as much of its protocol as an engine needs to pull.

Source: the OCI distribution specification, and Docker's image manifest, version 2, schema 2.
"""

import hashlib
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_UNKNOWN = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'


@dataclass
class Shelf:
    """What a registry has: blobs by digest, manifests by `repository:tag` and by digest.

    Attributes:
        asked: the paths of all requests, in order.
    """

    blobs: dict[str, Path] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, client: docker.DockerClient, image: str, name: str, folder: Path) -> str:
        """Put an image of the engine on the shelf as `repository:tag`; return its digest."""
        saved = folder / "saved.tar"
        with saved.open("wb") as file:
            file.writelines(client.images.get(image).save())
        with tarfile.open(saved) as tar:
            tar.extractall(folder, filter="data")
        saved.unlink()
        told = json.loads((folder / "manifest.json").read_text())[0]
        layers = [self._blob(folder / layer, LAYER) for layer in told["Layers"]]
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._blob(folder / told["Config"], CONFIG),
                "layers": layers,
            }
        ).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        repository = name.partition(":")[0]
        self.manifests |= {name: manifest, f"{repository}:{digest}": manifest}
        return digest

    def _blob(self, path: Path, kind: str) -> Mapping[str, Any]:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        self.blobs[digest] = path
        return {"mediaType": kind, "size": path.stat().st_size, "digest": digest}


@contextmanager
def serving(shelf: Shelf) -> Iterator[str]:
    """Serve what is on a shelf, and give the address."""

    class Answering(_Answering):
        """Answers from this shelf."""

        had = shelf

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answering(BaseHTTPRequestHandler):
    had: Shelf

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.had.asked.append(self.path)
        path, _, name = self.path.removeprefix("/v2/").rpartition("/")
        repository, _, kind = path.rpartition("/")
        manifest = self.had.manifests.get(f"{repository}:{name}")
        if self.path == "/v2/":
            self._head(200, 0, {})
        elif kind == "manifests" and manifest is not None:
            digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
            told = {"Content-Type": MANIFEST, "Docker-Content-Digest": digest}
            self._head(200, len(manifest), told)
            self.wfile.write(manifest if body else b"")
        elif kind == "blobs" and (blob := self.had.blobs.get(name)) is not None:
            self._head(200, blob.stat().st_size, {"Docker-Content-Digest": name})
            if body:
                with blob.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile)
        else:
            self._head(404, len(_UNKNOWN), {"Content-Type": "application/json"})
            self.wfile.write(_UNKNOWN if body else b"")

    def _head(self, status: int, size: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""
