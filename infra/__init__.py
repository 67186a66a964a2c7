"""Pulumi programs: configuration to components to exports. No size is decided here."""
