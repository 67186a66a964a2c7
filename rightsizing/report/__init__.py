"""Renderers: terminal, Markdown, JSON. Pure."""
