"""The local cloud's data plane: request rate, weights and sizes become CloudWatch metrics.

Everything it shows is simulated, and says so. ``scenario`` (what is asked of the workloads),
``arrivals``, ``queueing`` and ``traffic`` are pure; ``live`` reads what runs, ``publication``
writes metrics, ``plane`` keeps the clock.
"""
