"""The explicit providers every resource uses: real ones, or the local stand-ins.

Which plugin serves a resource is decided by the version its provider asks for. ``Pulumi.yaml``
lists the stand-ins under version 0.0.1; a provider resource created with that version gets them,
and one created without gets the SDK's version, which only the real plugin has. Resources follow
their provider, so the version is named here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from rightsizing.errors import ConfigError

LOCAL_PLUGIN_VERSION = "0.0.1"  # as listed in Pulumi.yaml; no released provider has it
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

# Endpoint fields of the aws provider for the services whose resources the components create.
_SERVICES = (
    "appautoscaling",
    "autoscaling",
    "cloudwatch",
    "cloudwatchlogs",
    "ec2",
    "ecs",
    "elbv2",
    "events",
    "iam",
    "lambda_",
    "sqs",
    "sts",
)


def aws_provider(region: str, *, embedded: bool, environment: Mapping[str, str]) -> aws.Provider:
    """The aws provider of the stack.

    Raises ConfigError when ``embedded`` and the endpoint is unset or not on this machine, and when
    a real stack would be built on this machine because a shell still points at the stand-in.
    """
    if not embedded:
        refuse_local_endpoint(environment)
        return aws.Provider("aws", region=region)
    endpoint = local_endpoint(environment)
    return aws.Provider(
        "aws",
        region=region,
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(_SERVICES, endpoint))],
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_requesting_account_id=True,
        s3_use_path_style=True,
        opts=pulumi.ResourceOptions(version=LOCAL_PLUGIN_VERSION),
    )


def docker_provider(*, embedded: bool) -> docker.Provider:
    """The docker provider of the stack; both kinds find the engine through ``DOCKER_HOST``."""
    version = LOCAL_PLUGIN_VERSION if embedded else None
    return docker.Provider("docker", opts=pulumi.ResourceOptions(version=version))


def refuse_local_endpoint(environment: Mapping[str, str]) -> None:
    """Raise ConfigError when the AWS endpoint of a real stack is on this machine."""
    endpoint = environment.get(ENDPOINT_VARIABLE, "")
    if endpoint and urlsplit(endpoint).hostname in LOOPBACK_HOSTS:
        raise ConfigError(
            f"this stack is not embedded, but {ENDPOINT_VARIABLE} is {endpoint!r}, which is on "
            f"this machine; `unset {ENDPOINT_VARIABLE}` and use the stack's own credentials"
        )


def local_endpoint(environment: Mapping[str, str]) -> str:
    """Address of the local server. Raises ConfigError when unset or not a loopback address."""
    endpoint = environment.get(ENDPOINT_VARIABLE, "")
    if not endpoint:
        raise ConfigError(
            f"rightsizing:embedded is true but {ENDPOINT_VARIABLE} is not set; start the local "
            f'server with `rightsize local up` and run `eval "$(rightsize local env)"`'
        )
    if urlsplit(endpoint).hostname not in LOOPBACK_HOSTS:
        raise ConfigError(
            f"rightsizing:embedded is true but {ENDPOINT_VARIABLE} is {endpoint!r}, which is not "
            f'on this machine; run `eval "$(rightsize local env)"`, or set rightsizing:embedded '
            f"to false"
        )
    return endpoint
