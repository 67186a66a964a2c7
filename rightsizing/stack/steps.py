"""Steps from what an engine reports, the same way for both drivers, and in words.

Engines give old and new inputs and the changed property paths; the leaves that differ below those
paths become property changes. Creates list every input, deletes too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rightsizing.model.update import Json, PropertyChange, Step, StepOp

_PAST = {
    StepOp.CREATE: "created",
    StepOp.UPDATE: "updated",
    StepOp.REPLACE: "replaced",
    StepOp.DELETE: "deleted",
}


def make_step(
    op: StepOp,
    urn: str,
    kind: str,
    *,
    before: Mapping[str, Json] | None,
    after: Mapping[str, Json] | None,
    changed: Iterable[str] = (),
    replaces: Iterable[str] = (),
) -> Step:
    """A step with its property changes.

    ``before`` and ``after`` are inputs (None: no such resource); ``changed`` and ``replaces`` are
    property paths, of which the first part counts.
    """
    old, new = _shown(before), _shown(after)
    forced = {_first_part(path) for path in replaces}
    keys = {_first_part(path) for path in changed} | forced
    if op in (StepOp.CREATE, StepOp.DELETE) or before is None or after is None:
        keys = {*old, *new}
    changes: list[PropertyChange] = []
    for key in sorted(keys):
        leaves = list(_leaves(key, old.get(key), new.get(key)))
        # The provider may see a change that the inputs do not show.
        for path, left, right in leaves or [(key, old.get(key), new.get(key))]:
            changes.append(PropertyChange(path, left, right, key in forced))
    return Step(op, urn, kind, tuple(changes) if op is not StepOp.SAME else ())


def describe_applied(steps: Sequence[Step]) -> str:
    """What steps did, in words: ``1 created (Container web), 2 updated (Group a, Group b)``.

    The stack itself and providers are left out: nobody's cloud has them.
    """
    done = [step for step in steps if step.op in _PAST and not step.type.startswith("pulumi:")]
    if not done:
        return "nothing was changed"
    counts = Counter(step.op for step in done)
    parts = []
    for op, count in counts.items():
        names = sorted(f"{step.type.split(':')[-1]} {step.name}" for step in done if step.op is op)
        listed = ", ".join(names[:5]) + (", ..." if count > 5 else "")
        parts.append(f"{count} {_PAST[op]} ({listed})")
    return ", ".join(parts)


def _shown(inputs: Mapping[str, Json] | None) -> dict[str, Json]:
    # The real engine keeps its own notes in a provider's inputs, under two underscores.
    return {key: value for key, value in (inputs or {}).items() if not key.startswith("__")}


def _first_part(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


def _leaves(path: str, before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            plain = key.replace("_", "").replace("-", "").isalnum()
            below = f"{path}.{key}" if plain else f'{path}["{key}"]'
            yield from _leaves(below, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from _leaves(f"{path}[{index}]", left, right)
    elif before != after:
        yield path, before, after
