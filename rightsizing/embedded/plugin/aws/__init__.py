"""The folder the Pulumi CLI starts for the local aws provider."""
