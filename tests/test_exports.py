"""The names people may import: additions are deliberate, removals break their programs."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "rightsizing.sizing": [
        "ContainerSize",
        "FleetRollout",
        "FleetSize",
        "ServiceSize",
        "Sizing",
        "SizingError",
        "Slot",
        "SlotState",
        "stack_sizing",
    ],
}
COMPONENTS = {
    "infra.components.fleet": ["Fleet", "FleetArgs"],
    "infra.components.service": ["Service", "ServiceArgs"],
    "infra.components.containers": ["LimitedContainer"],
    "infra.components.network": ["Network"],
}


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_modules_export_exactly_these(module: str) -> None:
    """``__all__`` is the promise; it is pinned here."""
    found = importlib.import_module(module)
    assert sorted(found.__all__) == PUBLIC[module]
    assert all(hasattr(found, name) for name in found.__all__)


@pytest.mark.parametrize("module", sorted(COMPONENTS))
def test_components_are_importable(module: str) -> None:
    """Other programs import the components by these names."""
    found = importlib.import_module(module)
    assert all(hasattr(found, name) for name in COMPONENTS[module])
