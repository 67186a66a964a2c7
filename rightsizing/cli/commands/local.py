"""``rightsize local``: the AWS and Docker stand-ins on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from rightsizing.cli.session import Session
from rightsizing.errors import EmbeddedError


@click.group(epilog='Example: rightsize local up && eval "$(rightsize local env)"')
def local() -> None:
    """Run everything on this machine, with no AWS account.

    A local AWS (moto) on loopback, and a simulated Docker API where no engine answers. State is
    kept between commands and restored after a restart. Nothing here can serve a real stack.
    """


def _require_embedded(session: Session) -> None:
    if not session.declaration.embedded:
        raise EmbeddedError(
            f"stack {session.stack_name} is not an embedded stack; only a stack whose file says "
            "rightsizing:embedded: true can use the local cloud"
        )


@local.command(epilog="Example: rightsize local up")
@click.option(
    "--simulated-docker", is_flag=True, help="Simulate Docker even where an engine answers."
)
@click.pass_obj
def up(session: Session, simulated_docker: bool) -> None:
    """Start the local cloud, or restore it, and make the stack.

    A real engine refuses containers with more CPUs than this machine has, so a stack that describes
    a larger machine gets the simulated one.
    """
    from rightsizing.embedded.cloud.server import LocalCloud

    _require_embedded(session)
    containers = session.declaration.containers.values()
    cloud = LocalCloud(
        session.project_dir,
        simulate_docker=simulated_docker,
        required_cpus=max((item.size.cpu_cores for item in containers), default=0.0),
    )
    endpoints = cloud.start()
    if endpoints.notice:
        session.remark(endpoints.notice)
    image = "" if endpoints.docker_simulated else _demo_image(session, endpoints.docker_host)
    driver = session.driver
    driver.create(session.stack)
    engine = "simulated Docker API" if endpoints.docker_simulated else "Docker engine"
    lines = [
        f"local AWS (simulated by moto) at {endpoints.aws_url}",
        f"{engine} at {endpoints.docker_host}" + _because(endpoints.docker_reason),
        *([image] if image else []),
        f"stack {session.stack.name} on the {driver.name.value} driver",
    ]
    session.show(
        "\n".join(lines),
        {
            "aws_url": endpoints.aws_url,
            "docker_host": endpoints.docker_host,
            "docker_simulated": endpoints.docker_simulated,
            "stack": session.stack.name,
            "driver": driver.name.value,
        },
    )


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _demo_image(session: Session, docker_host: str) -> str:
    """Make the demo image on a real engine when the stack uses it; says so."""
    from rightsizing.embedded.cloud.images import DEMO_IMAGE, prepare_demo_image
    from rightsizing.embedded.docker.connection import open_engine

    used = {item.image for item in session.declaration.containers.values()}
    if DEMO_IMAGE not in used:
        return ""
    made = prepare_demo_image(open_engine(docker_host))
    if not made.mounts:
        return f"image {made.reference} is ready"
    folders = ", ".join(made.mounts)
    return f"image {made.reference} is empty (no static busybox here): mount {folders} into it"


@local.command(epilog="Example: rightsize local down --forget")
@click.option("--forget", is_flag=True, help="Also delete the cloud's state.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.pass_obj
def down(session: Session, forget: bool, yes: bool) -> None:
    """Stop the local cloud; its state can be restored by `local up`, unless it is forgotten."""
    from rightsizing.embedded.cloud.server import LocalCloud

    _require_embedded(session)
    cloud = LocalCloud(session.project_dir)
    if forget:
        session.confirm("Delete everything that runs in the local cloud?", yes=yes)
        cloud.forget()
        session.show("the local cloud is stopped and its state deleted", {"stopped": True})
        return
    stopped = cloud.stop()
    session.show(cloud.status().sentence, {"stopped": stopped})


@local.command(epilog="Example: rightsize local status")
@click.pass_obj
def status(session: Session) -> int:
    """Say whether the local cloud runs; exits with 1 when it does not."""
    from rightsizing.embedded.cloud.server import LocalCloud
    from rightsizing.embedded.cloud.status import CloudState

    _require_embedded(session)
    found = LocalCloud(session.project_dir).status()
    session.show(found.sentence, {"state": found.state.value, "sentence": found.sentence})
    return 0 if found.state is CloudState.RUNNING else 1


@local.command(epilog="Example: rightsize local traffic scenario.json --history 1440")
@click.argument("scenario", required=False, type=click.Path(path_type=Path))
@click.option("--history", type=int, default=0, help="Minutes of metrics before it begins.")
@click.option("--stop", is_flag=True, help="Stop the simulated traffic.")
@click.pass_obj
def traffic(session: Session, scenario: Path | None, history: int, stop: bool) -> None:
    """Simulate requests to the local cloud's workloads, by a JSON file of rates and work.

    Metrics and alarms then follow from the sizes that run. In a simulated scenario the clock stands
    still until something waits by it, and a rollout's hours pass in seconds.
    """
    from rightsizing.embedded.cloud.dataplane import DataPlane
    from rightsizing.embedded.cloud.plane.scenario import read_scenario
    from rightsizing.embedded.cloud.server import LocalCloud

    _require_embedded(session)
    plane = DataPlane(LocalCloud(session.project_dir).ensure().aws_url)
    if stop:
        plane.stop()
        session.show("the simulated traffic is stopped", {"mode": None})
        return
    if scenario is not None:
        plane.load(read_scenario(scenario))
        if history:
            plane.backfill(history)
    found = plane.status()
    if found.mode is None:
        session.show("no traffic is simulated", {"mode": None})
        return
    session.show(
        f"simulated traffic, clock {found.mode.value}, {found.minutes} minutes so far",
        {"mode": found.mode.value, "now_ms": found.now_ms, "minutes": found.minutes},
    )


@local.command(epilog='Example: eval "$(rightsize local env)"')
@click.pass_obj
def env(session: Session) -> None:
    """Print exports that point a shell, and plain `pulumi`, at the local cloud."""
    from rightsizing.embedded.cloud.server import LocalCloud

    _require_embedded(session)
    variables = LocalCloud(session.project_dir).env()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if session.as_json:
        session.show("", variables)
    else:
        click.echo("\n".join(lines))
