"""The local docker provider as a plugin of the Pulumi CLI."""

from rightsizing.embedded.docker.provider import DockerProvider
from rightsizing.embedded.plugin.host import serve_plugin

if __name__ == "__main__":
    serve_plugin(DockerProvider())
