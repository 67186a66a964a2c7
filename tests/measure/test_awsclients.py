"""AwsClients: where it connects, and what each of botocore's errors becomes."""

from __future__ import annotations

import socket

import pytest
from botocore import exceptions as boto
from botocore.stub import Stubber

from rightsizing.errors import CredentialsError, RightsizingError, TelemetryError, Throttled
from rightsizing.measure.awsclients import AwsClients

pytestmark = pytest.mark.usefixtures("aws_credentials")


def refused(code: str, message: str = "no") -> AwsClients:
    """Clients whose next DescribeAutoScalingGroups answers with an error code."""
    clients = AwsClients("eu-west-1")
    stubber = Stubber(clients._client("autoscaling"))
    stubber.add_client_error(
        "describe_auto_scaling_groups", service_error_code=code, service_message=message
    )
    stubber.activate()
    return clients


def ask(clients: AwsClients) -> None:
    """Any registered call."""
    clients.call("autoscaling", "describe_auto_scaling_groups")


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        ("ExpiredToken", CredentialsError, "the AWS credentials have expired"),
        ("RequestExpired", CredentialsError, "have expired"),
        (
            "AccessDenied",
            CredentialsError,
            r"refused autoscaling:DescribeAutoScalingGroups .*; allow it, `rightsize iam-policy`",
        ),
        ("UnauthorizedOperation", CredentialsError, "autoscaling:DescribeAutoScalingGroups"),
        ("InvalidClientTokenId", CredentialsError, "in region eu-west-1"),
        ("SignatureDoesNotMatch", CredentialsError, "does not accept the credentials"),
        ("Throttling", Throttled, "still throttles autoscaling .* after 8 attempts"),
        ("RequestLimitExceeded", Throttled, "run the same command again later"),
        ("ValidationError", TelemetryError, "answered autoscaling .* with ValidationError: no"),
    ],
)
def test_answers_are_mapped(code, kind, sentence):
    """One sentence of the right kind for each refusal."""
    with pytest.raises(kind, match=sentence):
        ask(refused(code))


@pytest.mark.parametrize(
    "error",
    [
        boto.NoCredentialsError(),
        boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        boto.ProfileNotFound(profile="work"),
        boto.UnauthorizedSSOTokenError(),
        boto.TokenRetrievalError(provider="sso", error_msg="expired"),
        boto.NoRegionError(),
        boto.EndpointConnectionError(endpoint_url="https://monitoring.eu-wst-1.amazonaws.com"),
        boto.ConnectTimeoutError(endpoint_url="https://x"),
        boto.SSLError(endpoint_url="https://x", error="bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_before_an_answer_are_about_access(error, monkeypatch):
    """Missing credentials, wrong regions and unreachable endpoints are CredentialsErrors."""
    clients = AwsClients("eu-west-1")

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(clients._client("autoscaling"), "describe_auto_scaling_groups", fail)
    with pytest.raises(CredentialsError):
        ask(clients)


def test_no_botocore_error_gets_through(monkeypatch):
    """Every exception botocore defines becomes one of ours."""
    clients = AwsClients("eu-west-1")
    client = clients._client("autoscaling")
    for name in dir(boto):
        kind = getattr(boto, name)
        if not (isinstance(kind, type) and issubclass(kind, boto.BotoCoreError)):
            continue

        class Empty(kind):  # without the format arguments each one insists on
            def __init__(self) -> None:
                Exception.__init__(self, "unfortunate")

        def fail(error: type[Exception] = Empty, **_: object) -> None:
            raise error

        monkeypatch.setattr(client, "describe_auto_scaling_groups", fail)
        with pytest.raises(RightsizingError):
            ask(clients)


def test_no_credentials_is_one_sentence(monkeypatch, tmp_path):
    """Nothing configured anywhere: the sentence says what can be done."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(CredentialsError, match=r"no usable AWS credentials .*; sign in"):
        ask(AwsClients("us-east-1", endpoint_url="http://127.0.0.1:9"))


def test_a_word_that_is_no_region_is_refused():
    """A region that cannot be a host name is named."""
    with pytest.raises(CredentialsError, match="'not a region' is not an AWS region"):
        ask(AwsClients("not a region"))


def test_a_misspelt_region_is_refused_at_once(monkeypatch):
    """An unknown region whose endpoint has no address: the likely right one is named."""

    def unknown(host: str, port: int) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(CredentialsError, match=r"'eu-wst-1' is no AWS .*; did you mean eu-west-1"):
        ask(AwsClients("eu-wst-1"))


def test_a_stopped_local_server_says_how_to_start_it():
    """The stand-in's address without a server behind it is no credentials problem."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clients = AwsClients("us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
    with pytest.raises(TelemetryError, match="start it with `rightsize local up`"):
        ask(clients)


def test_an_undeclared_call_is_refused():
    """What the policy does not allow cannot be called by mistake."""
    with pytest.raises(TelemetryError, match="not declared in rightsizing"):
        AwsClients("us-east-1").call("ec2", "terminate_instances", InstanceIds=["i-1"])


def test_the_endpoint_comes_from_the_caller_only(monkeypatch):
    """AWS_ENDPOINT_URL in the environment is not used unless it is passed in."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    aws = AwsClients("us-east-1")
    local = AwsClients("us-east-1", endpoint_url="http://127.0.0.1:2")
    assert aws._client("ec2").meta.endpoint_url == "https://ec2.us-east-1.amazonaws.com"
    assert local._client("ec2").meta.endpoint_url == "http://127.0.0.1:2"


def test_retries_are_adaptive():
    """Throttled calls slow the client down instead of failing at once."""
    retries = AwsClients("us-east-1")._client("cloudwatch").meta.config.retries
    assert retries["mode"] == "adaptive"
    assert retries["total_max_attempts"] == 8
    local = AwsClients("us-east-1", endpoint_url="http://127.0.0.1:1")
    assert local._client("cloudwatch").meta.config.retries["total_max_attempts"] == 2


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        (None, False),
        ("http://127.0.0.1:5000", True),
        ("http://localhost:5000", True),
        ("http://[::1]:5000", True),
        ("https://monitoring.us-east-1.amazonaws.com", False),
        ("http://10.0.0.7:5000", False),
    ],
)
def test_a_local_endpoint_is_recognised(endpoint, local):
    """Only an address of this machine is a stand-in."""
    assert AwsClients("us-east-1", endpoint_url=endpoint).is_local is local


def test_prices_are_asked_where_they_are_served():
    """The Price List API is in us-east-1, whatever the stack's region."""
    assert AwsClients("eu-west-1")._client("pricing").meta.region_name == "us-east-1"


def test_pages_gives_items_of_all_pages():
    """A listing is read to its end."""
    clients = AwsClients("us-east-1")
    stubber = Stubber(clients._client("ecs"))
    stubber.add_response("list_clusters", {"clusterArns": ["a", "b"], "nextToken": "more"}, {})
    stubber.add_response("list_clusters", {"clusterArns": ["c"]}, {"nextToken": "more"})
    with stubber:
        assert list(clients.pages("ecs", "list_clusters", "clusterArns")) == ["a", "b", "c"]
