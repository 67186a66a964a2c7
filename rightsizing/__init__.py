"""Rightsizing: measured utilisation to an applied, reversible resize on Pulumi."""

__version__ = "0.1.0"
