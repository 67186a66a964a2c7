"""Judging a canary: sequential tests that may be watched all the time, and when not to judge."""
