"""Packing tenants onto shared instances, and sharing their cost."""
