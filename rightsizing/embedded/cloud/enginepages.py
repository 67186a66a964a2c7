"""What the simulated engine shows of a container and an image, in the Engine API's form."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any

from rightsizing.embedded.cloud.containerstate import Container


def image_page(reference: str) -> dict[str, Any]:
    """``GET /images/{name}/json``."""
    digest = hashlib.sha256(reference.encode()).hexdigest()
    return {
        "Id": f"sha256:{digest}",
        "RepoTags": [reference],
        "Labels": {"rightsizing.simulated": "true"},
        "Config": {"Labels": {"rightsizing.simulated": "true"}},
    }


def matches_filters(container: Container, wanted: dict[str, Any]) -> bool:
    """Whether ``GET /containers/json`` shows it under these filters."""
    labels = container.labels
    for label in wanted.get("label", ()):
        key, _, value = label.partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    names, ids = wanted.get("name", ()), wanted.get("id", ())
    if names and not any(re.search(name, f"/{container.name}") for name in names):
        return False
    if ids and not any(container.id.startswith(item) for item in ids):
        return False
    states = wanted.get("status", ())
    return not states or container.status in states


def summary_page(container: Container) -> dict[str, Any]:
    """An item of ``GET /containers/json``."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": image_page(container.image)["Id"],
        "Command": " ".join(container.config.get("Cmd") or ()),
        "Created": int(datetime.fromisoformat(container.created).timestamp()),
        "Labels": container.labels,
        "State": container.status,
        "Status": f"{container.status} (simulated)",
        "HostConfig": {"NetworkMode": container.host_config.get("NetworkMode", "default")},
        "Mounts": [],
        "Ports": [],
    }


def inspected_page(container: Container) -> dict[str, Any]:
    """``GET /containers/{id}/json``."""
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "Created": container.created,
        "Image": image_page(container.image)["Id"],
        "Platform": "linux",
        "RestartCount": container.restart_count,
        "State": {
            "Status": container.status,
            "Running": container.running,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": container.oom_killed,
            "Dead": False,
            "Pid": 0,
            "ExitCode": container.exit_code,
            "Error": "",
            "StartedAt": container.started_at,
            "FinishedAt": container.finished_at,
        },
        "Config": container.config,
        "HostConfig": container.host_config,
        "Mounts": [],
        "NetworkSettings": {"Bridge": "", "Ports": {}, "Networks": {}},
    }
