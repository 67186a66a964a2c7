"""The demo image: made on this machine, never pulled.

With a static busybox the image is that one file and its names. Without one it is an empty root, and
the host's own programs are bind-mounted into the container, read-only. A simulated engine takes any
name.
"""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from rightsizing.embedded.docker.connection import is_simulated, open_engine
from rightsizing.errors import EmbeddedError

REPOSITORY = "rightsizing/demo"
TAG = "1"
DEMO_IMAGE = f"{REPOSITORY}:{TAG}"

# Names busybox is called by in the demo's commands.
_APPLETS = ("sh", "sleep", "cat", "echo", "true", "yes", "dd", "httpd", "nc", "timeout", "usleep")
# Folders a dynamically linked shell of the host needs.
_HOST_FOLDERS = ("/bin", "/lib", "/lib64", "/usr")
_ELF_MAGIC = b"\x7fELF"
_ELF_64_LITTLE_ENDIAN = (2, 1)
_INTERPRETER_SEGMENT = 3  # PT_INTERP: present in every dynamically linked program


@dataclass(frozen=True, slots=True)
class DemoImage:
    """An image ready to run. A container needs ``mounts`` (host path -> container path) too."""

    reference: str
    mounts: dict[str, str] = field(default_factory=dict)


def prepare_demo_image(client: docker.DockerClient, busybox: Path | None = None) -> DemoImage:
    """Make DEMO_IMAGE unless it is there. Needs no network. Raises EmbeddedError."""
    program = busybox or find_static_busybox()
    mounts = {} if program is not None else {path: path for path in _HOST_FOLDERS if _is_dir(path)}
    if is_simulated(client):
        return DemoImage(DEMO_IMAGE)
    try:
        client.images.get(DEMO_IMAGE)
    except ImageNotFound:
        _import(client, program)
    return DemoImage(DEMO_IMAGE, mounts)


def prepare_images(docker_host: str, references: Iterable[str], *, simulated: bool) -> list[str]:
    """Make the demo image if a stack's containers use it; one sentence for what there is now.

    Other images are left to their owner: nothing is ever pulled.
    """
    if DEMO_IMAGE not in set(references):
        return []
    if simulated:
        return [f"image {DEMO_IMAGE} needs no making: a simulated engine takes any name"]
    client = open_engine(docker_host)
    try:
        image = prepare_demo_image(client)
    finally:
        client.close()
    if image.mounts:
        folders = ", ".join(sorted(image.mounts))
        return [f"image {DEMO_IMAGE} is empty: mount {folders} of the host into its containers"]
    return [f"image {DEMO_IMAGE} holds busybox, taken from this machine"]


def find_static_busybox() -> Path | None:
    """A statically linked busybox on this machine, or None."""
    for name in ("busybox", "busybox-static"):
        found = shutil.which(name, path="/bin:/usr/bin:/usr/local/bin")
        if found and is_static(Path(found).read_bytes()):
            return Path(found)
    return None


def is_static(program: bytes) -> bool:
    """True for a 64-bit little-endian ELF program without an interpreter segment."""
    if program[:4] != _ELF_MAGIC or (program[4], program[5]) != _ELF_64_LITTLE_ENDIAN:
        return False
    table, entry_size, entries = (
        struct.unpack_from("<Q", program, 0x20)[0],
        struct.unpack_from("<H", program, 0x36)[0],
        struct.unpack_from("<H", program, 0x38)[0],
    )
    kinds = (
        struct.unpack_from("<I", program, table + index * entry_size)[0] for index in range(entries)
    )
    return _INTERPRETER_SEGMENT not in kinds


def _import(client: docker.DockerClient, program: Path | None) -> None:
    try:
        client.api.import_image_from_data(
            _root(program),
            repository=REPOSITORY,
            tag=TAG,
            changes=["ENV PATH=/bin:/usr/bin", 'LABEL rightsizing.demo="true"'],
        )
    except APIError as error:
        raise EmbeddedError(
            f"the Docker engine did not take the demo image: {error.explanation or error}"
        ) from error


def _root(program: Path | None) -> bytes:
    """A tar of the image's root folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in ("bin", "tmp", "www", *(path.strip("/") for path in _HOST_FOLDERS[1:])):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        if program is not None:
            content = program.read_bytes()
            entry = tarfile.TarInfo("bin/busybox")
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
            for applet in _APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return packed.getvalue()


def _is_dir(path: str) -> bool:
    return Path(path).is_dir()
