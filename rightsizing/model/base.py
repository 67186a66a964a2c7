"""What all model types share: frozen, strict about unknown keys, explicit about missing data."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A value from a file, configuration or API: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class NoData:
    """A figure nobody measured, with the reason. Never 0, never NaN.

    Whoever reads a value typed ``X | NoData`` must decide what absence means there; the default
    for sizes is "keep".
    """

    reason: str

    def __bool__(self) -> bool:
        return False
