"""A small engine that runs a Pulumi Python program on a machine with no Pulumi CLI.

It is a child process (``python -m rightsizing.embedded.engine``), started by the embedded driver,
that serves one gRPC ResourceMonitor to the program and keeps state, lock and history on disk. It is
no Pulumi replacement. What it does not do: default providers, provider functions (invoke), reading
or importing existing resources, stack references, resource hooks, assets, targets, policy packs,
inherited aliases, ``deletedWith``, and deleting the dependents of a resource that is deleted before
it is replaced. Operations on resources run one at a time. It serves only a stack whose
configuration says ``rightsizing:embedded: true``.
"""
