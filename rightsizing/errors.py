"""Every error the toolkit raises on purpose, as one tree.

    RightsizingError
    ├── ConfigError          stack configuration, settings or a command's arguments are wrong
    │   └── ReleaseTooLarge  the release does not fit the 96 KiB configuration limit
    ├── CatalogError         an instance type or price table cannot be used
    ├── TelemetryError       a measurement source or the store cannot be used
    │   ├── BadTrace         a file breaks the trace schema (names row, column, value)
    │   ├── Throttled        the source kept refusing after adaptive retries
    │   └── StoreError       the Parquet store cannot be read or written
    ├── CredentialsError     no, expired or refused AWS credentials; wrong region
    │   └── ActionDenied     the credentials are good, but one action is not allowed to them
    ├── PlanRejected         a plan asks for what its evidence forbids, or phases are out of order
    ├── StackError           a stack operation could not be done
    │   ├── StackMissing     no such stack
    │   ├── StackLocked      another update holds the lock
    │   ├── DriverMismatch   the stack belongs to the other driver
    │   ├── UpdateFailed     the update ran and did not complete; carries what was applied
    │   ├── FactsMismatch    the live cloud is not what the release says
    │   └── NothingToRestore no good release in the history
    └── EmbeddedError        the local server, provider or engine cannot do what was asked

A message is one sentence that names the value, the limit and what to do next. The command line
prints it alone; a traceback needs ``--debug``. Foreign errors (botocore, docker, gRPC) are mapped
once, in the adapter that calls them.
"""

from __future__ import annotations


class RightsizingError(Exception):
    """Root of all expected failures. ``exit_code`` is the process exit code the CLI uses."""

    exit_code: int = 1


class ConfigError(RightsizingError):
    """Stack configuration, settings or arguments are wrong."""

    exit_code = 2


class ReleaseTooLarge(ConfigError):
    """The canonical release exceeds the configuration limit."""


class CatalogError(RightsizingError):
    """An instance type or price table cannot be used."""


class TelemetryError(RightsizingError):
    """A measurement source or the store cannot be used."""


class BadTrace(TelemetryError):
    """A file breaks the trace schema."""


class Throttled(TelemetryError):
    """The source kept refusing after adaptive retries."""


class StoreError(TelemetryError):
    """The Parquet store cannot be read or written."""


class CredentialsError(RightsizingError):
    """AWS credentials are missing, expired or refused, or the region is wrong."""


class ActionDenied(CredentialsError):
    """AWS accepts the credentials but does not allow them one action."""


class PlanRejected(RightsizingError):
    """A plan asks for what its evidence forbids, or phases are out of order."""

    exit_code = 3


class StackError(RightsizingError):
    """A stack operation could not be done."""

    exit_code = 4


class StackMissing(StackError):
    """The named stack does not exist."""


class StackLocked(StackError):
    """Another update holds the stack's lock."""


class DriverMismatch(StackError):
    """The stack belongs to the other driver."""


class UpdateFailed(StackError):
    """The update ran and did not complete; the message says what was applied."""


class FactsMismatch(StackError):
    """The live cloud is not what the release says."""

    exit_code = 5


class NothingToRestore(StackError):
    """History holds no good release to go back to."""


class EmbeddedError(RightsizingError):
    """The local server, provider or engine cannot do what was asked."""
