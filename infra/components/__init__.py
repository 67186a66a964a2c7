"""Components of the stack; importable by other Pulumi programs."""
