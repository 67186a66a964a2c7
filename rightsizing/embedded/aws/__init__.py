"""The local aws provider: the types ``infra/`` uses, by boto3, against a server on loopback."""
