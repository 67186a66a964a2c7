"""The rightsize command: parse, call a use case, render, exit code."""
