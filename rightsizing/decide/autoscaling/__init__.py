"""Autoscaling policies replayed on a workload's own load, and the choice among them."""
