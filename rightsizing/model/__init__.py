"""Frozen types shared by all parts; one noun a file. Imports only ``units`` and ``errors``."""
