"""Images from a registry: asked with a deadline, pulled by digest, with progress.

The engine talks to the registry, so its proxies and its credentials apply.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import docker
from docker.errors import DockerException
from docker.models.images import Image
from docker.utils import parse_repository_tag

from cluster.cluster_errors import EngineGoneError, ImageError
from cluster.engine import engine
from cluster.software.building import Say, reason

ANSWER_WITHIN_S = 5.0
TOLD_EVERY_S = 5.0
MIRROR_VARIABLE = "ZKMQ_REGISTRY"  # a mirror of the public registry, such as registry.lan:5000
_LOADED = {"Download complete", "Pull complete", "Already exists"}


def reference(repository: str, tag: str) -> str:
    """Return what a public image is called in the registry or mirror that is used here."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    return f"{mirror}/{repository}:{tag}" if mirror else f"{repository}:{tag}"


def pull(client: docker.DockerClient, reference: str, say: Say) -> Image:
    """Pull an image by the digest that its registry names now; it gets the reference as its tag.

    Raises:
        ImageError: the registry did not answer within ANSWER_WITHIN_S, has no such image, or broke
            off. The message is one sentence without the reference.
    """
    repository, tag = parse_repository_tag(reference)
    digest = _digest(client, reference)
    say(f"pulling {repository}@{digest}")
    try:
        _follow(client.api.pull(repository, tag=digest, stream=True, decode=True), reference, say)
        image = client.images.get(f"{repository}@{digest}")
        if tag and tag != digest:
            image.tag(repository, tag=tag)
    except DockerException as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"the registry broke off: {reason(error)}") from error
    return image


def _digest(client: docker.DockerClient, reference: str) -> str:
    """Ask the registry for the digest of an image."""
    try:
        with closing(engine.beside(client, timeout_s=ANSWER_WITHIN_S)) as asking:
            told = asking.images.get_registry_data(reference).attrs
        return str(told["Descriptor"]["digest"])
    except EngineGoneError as error:
        raise ImageError(f"no registry answered within {ANSWER_WITHIN_S:g} s") from error
    except DockerException as error:
        raise ImageError(f"not to be had from a registry: {reason(error)}") from error
    except (KeyError, TypeError) as error:
        raise ImageError("the registry's answer has no digest") from error


def _follow(lines: Iterator[Mapping[str, Any]], reference: str, say: Say) -> None:
    """Read a pull's messages to their end."""
    layers, told_s = dict[str, bool](), time.monotonic()
    for line in lines:
        if "error" in line:
            raise ImageError(f"the registry broke off: {line['error']}")
        if "id" in line:
            layers[str(line["id"])] = line.get("status") in _LOADED
        if time.monotonic() - told_s > TOLD_EVERY_S:
            told_s = time.monotonic()
            say(f"{reference}: {sum(layers.values())} of {len(layers)} layers")
