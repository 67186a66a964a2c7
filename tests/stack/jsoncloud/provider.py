"""A provider whose cloud is one JSON file, for both drivers: a plugin and an in-process object.

Faults are read from ``<cloud>.fault.json``: ``{"op": "update", "name": "a", "when": "after",
"action": "hold" | "fail"}``. ``hold`` tells the test through the FIFO ``<cloud>.reached`` and waits
on ``<cloud>.go``, so that a test can kill an engine at an exact point without sleeping.
"""

import hashlib
import json
from pathlib import Path

from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue

REPLACING = ("zone",)
COMPUTED = ("arn", "revision")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # how a Python provider writes an unknown


def plain(value):
    """Python value of a PropertyValue or a map of them; secretness is dropped."""
    inner = value.value if isinstance(value, PropertyValue) else value
    if hasattr(inner, "items"):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, list | tuple):
        return [plain(item) for item in inner]
    return inner


def wrapped(value):
    """PropertyValue of a Python value."""
    if isinstance(value, dict):
        return PropertyValue({key: wrapped(item) for key, item in value.items()})
    if isinstance(value, list):
        return PropertyValue([wrapped(item) for item in value])
    number = isinstance(value, int) and not isinstance(value, bool)
    return PropertyValue(float(value) if number else value)


def wrapped_map(values, like=None):
    """Map of PropertyValues; keys that are secret in ``like`` stay secret."""
    secret = {key for key, item in (like or {}).items() if item.contains_secret()}
    return {key: wrapped(item).with_secret(key in secret) for key, item in values.items()}


class BoxProvider(p.Provider):
    """Boxes: ``size``, ``tags``, ``desired`` change in place; a new ``zone`` replaces."""

    path: Path | None = None

    async def check_config(self, request):
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, request):
        return p.DiffResponse(changes=False)

    async def configure(self, request):
        self.path = Path(request.args["path"].value)
        return p.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=False
        )

    def _load(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _save(self, boxes, entry):
        boxes.setdefault("log", []).append(entry)  # what was done, in order
        self.path.write_text(json.dumps(boxes, indent=1))

    def _fault(self, op, urn, when):
        fault_path = Path(f"{self.path}.fault.json")
        if not fault_path.exists():
            return
        fault = json.loads(fault_path.read_text())
        if (fault["op"], fault["name"], fault["when"]) != (op, urn.rsplit("::", 1)[-1], when):
            return
        fault_path.unlink()
        if fault["action"] == "fail":
            raise RuntimeError(f"no capacity for {fault['name']}")
        Path(f"{self.path}.reached").open("w").close()
        Path(f"{self.path}.go").open().close()

    async def check(self, request):
        inputs = dict(request.new_inputs)
        failures = []
        if plain(inputs).get("size") == "bad":
            failures = [p.CheckFailure("size", "there is no size bad")]
        if "name" not in inputs:
            old = request.old_inputs.get("name")
            seed = hashlib.sha256(bytes(request.random_seed)).hexdigest()[:7]
            inputs["name"] = old or PropertyValue(f"{request.urn.rsplit('::', 1)[-1]}-{seed}")
        return p.CheckResponse(inputs=inputs, failures=failures)

    async def diff(self, request):
        old, new = plain(request.old_state), plain(request.new_inputs)
        keys = sorted((set(old) | set(new)) - set(COMPUTED))
        changed = [key for key in keys if old.get(key) != new.get(key)]
        replaces = [key for key in changed if key in REPLACING]
        return p.DiffResponse(changes=bool(changed), replaces=replaces, diffs=changed)

    async def create(self, request):
        box = plain(request.properties)
        if request.preview:
            box |= dict.fromkeys(COMPUTED, UNKNOWN)
            return p.CreateResponse("", wrapped_map(box, request.properties))
        self._fault("create", request.urn, "before")
        boxes = self._load()
        number = boxes["next"] = boxes.get("next", 0) + 1
        box |= {"arn": f"arn:box/{number}", "revision": 1}
        boxes[f"box-{number}"] = box
        self._save(boxes, f"create box-{number}")
        self._fault("create", request.urn, "after")
        return p.CreateResponse(f"box-{number}", wrapped_map(box, request.properties))

    async def update(self, request):
        box, old = plain(request.news), plain(request.olds)
        if request.preview:
            box |= {"arn": old["arn"], "revision": UNKNOWN}
            return p.UpdateResponse(wrapped_map(box, request.news))
        self._fault("update", request.urn, "before")
        boxes = self._load()
        if request.resource_id not in boxes:
            raise RuntimeError(f"there is no box {request.resource_id}")
        box |= {"arn": old["arn"], "revision": boxes[request.resource_id]["revision"] + 1}
        boxes[request.resource_id] = box
        self._save(boxes, f"update {request.resource_id}")
        self._fault("update", request.urn, "after")
        return p.UpdateResponse(wrapped_map(box, request.news))

    async def read(self, request):
        box = self._load().get(request.resource_id)
        if box is None:
            return p.ReadResponse("", {}, {})
        inputs = {key: item for key, item in box.items() if key not in COMPUTED}
        like = {**request.properties, **request.inputs}
        return p.ReadResponse(
            request.resource_id, wrapped_map(box, like), wrapped_map(inputs, like)
        )

    async def delete(self, request):
        self._fault("delete", request.urn, "before")
        boxes = self._load()
        boxes.pop(request.resource_id, None)
        self._save(boxes, f"delete {request.resource_id}")
        self._fault("delete", request.urn, "after")


PROVIDERS = {"jsoncloud": "provider:BoxProvider"}
