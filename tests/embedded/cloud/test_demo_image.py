"""The demo image, made without a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rightsizing.embedded.cloud.images import (
    DEMO_IMAGE,
    find_static_busybox,
    is_static,
    prepare_demo_image,
    prepare_images,
)
from rightsizing.embedded.docker.connection import open_engine, real_engine_host


def test_what_is_a_static_program() -> None:
    """Not a text, not nothing, not the (dynamically linked) system shell."""
    assert not is_static(b"#!/bin/sh\n" + b" " * 64)
    assert not is_static(b"")
    assert not is_static(Path("/bin/sh").resolve().read_bytes()) or sys.platform != "linux"


def test_the_simulated_engine_needs_no_image(endpoints: Any) -> None:
    """Any name is taken there."""
    client = open_engine(endpoints.docker_host)
    assert prepare_demo_image(client).reference == DEMO_IMAGE
    client.close()


def test_images_of_a_stack(endpoints: Any) -> None:
    """The demo image is made where it is missing, and one sentence says so; others are not."""
    assert prepare_images(endpoints.docker_host, ["web:1"], simulated=True) == []
    (made,) = prepare_images(endpoints.docker_host, [DEMO_IMAGE, "web:1"], simulated=True)
    assert DEMO_IMAGE in made


@pytest.mark.docker
def test_the_image_runs_on_a_real_engine() -> None:
    """With a static busybox or with the host's programs mounted, ``sh`` works in it."""
    found_host = real_engine_host()
    if found_host is None:
        pytest.skip("no Docker engine answers on this machine")
    client = open_engine(found_host)
    image = prepare_demo_image(client)
    assert (find_static_busybox() is not None) == (image.mounts == {})
    output = client.containers.run(
        image.reference,
        ["sh", "-c", "echo works"],
        network_mode="none",
        remove=True,
        volumes=[f"{source}:{target}:ro" for source, target in image.mounts.items()],
    )
    assert output == b"works\n"
    client.close()
