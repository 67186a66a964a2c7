"""Rules of other canary judges, for comparison on the same streams.

Each takes whole runs at once, (looks, runs), and answers with the look at which it rolls back and
the look at which it lets the canary through; infinite where it does neither.
"""
