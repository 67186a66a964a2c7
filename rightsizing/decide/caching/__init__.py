"""Whether a cache or batching pays, and its size and time to live."""
