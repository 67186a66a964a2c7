"""Faults on purpose: what to break in the local stand-ins, and the list of what was broken.

``plan`` holds the types a person writes. ``book`` is the one place that counts, kept by the local
cloud's server, so that a fault happens as often as it says whichever process meets it. ``wire``
breaks calls, ``crossing`` kills the engine, ``client`` is what tests and the controller use.
"""
