"""The local aws provider as a plugin of the Pulumi CLI."""

from rightsizing.embedded.aws.provider import AwsProvider
from rightsizing.embedded.plugin.host import serve_plugin

if __name__ == "__main__":
    serve_plugin(AwsProvider())
