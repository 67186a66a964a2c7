"""What makes a table of resource types a Pulumi provider: values, comparison, hosting.

``aws/`` and ``docker/`` beside this file are the plugin folders the Pulumi CLI starts.
"""
