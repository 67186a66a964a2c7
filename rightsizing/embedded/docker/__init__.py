"""The local docker provider: ``docker:index/container:Container`` against a real engine."""
