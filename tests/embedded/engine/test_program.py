"""Programs the engine runs or refuses, each in a child of its own."""

import os
import resource

import pytest

from rightsizing.errors import ConfigError, EmbeddedError, RightsizingError, UpdateFailed
from rightsizing.stack.driver import StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver

TABLE = """
from pulumi.provider.experimental import provider as p

class Echo(p.Provider):
    async def create(self, request):
        return p.CreateResponse("" if request.preview else "id-1", request.properties)

    async def update(self, request):
        return p.UpdateResponse(request.news)

    async def delete(self, request):
        return None

PROVIDERS = {"echo": "table:Echo"}
"""
HEAD = """
import pulumi
class Provider(pulumi.ProviderResource):
    def __init__(self, name, opts=None):
        super().__init__("echo", name, {}, opts)
class Thing(pulumi.CustomResource):
    def __init__(self, name, props=None, provider=None, **opts):
        opts = pulumi.ResourceOptions(provider=provider, **opts)
        super().__init__("echo:m:Thing", name, props or {}, opts)
"""

BAD_TRANSFORM = """
def bad(args):
    raise ValueError('not this one')
pulumi.runtime.register_resource_transform(bad)
Provider('p')
"""


class Bench:
    """A one-file project for one program."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": str(folder), "PULUMI_CONFIG_PASSPHRASE": "p"}
        self.stack = StackRef(folder, "bench", "dev")
        (folder / "table.py").write_text(TABLE)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        self.stack.config_path.write_text("config: {rightsizing:embedded: true}\n")

    def up(self, program, *, refresh=False):
        """Run a program."""
        (self.folder / "__main__.py").write_text(HEAD + program)
        driver = EmbeddedDriver(providers="table:PROVIDERS", environment=self.env)
        driver.create(self.stack)
        return driver.up(self.stack, message="m", refresh=refresh)

    @property
    def state_path(self):
        """The state file."""
        return self.folder / ".rightsizing" / "embedded" / "bench" / "dev" / "state.json"


@pytest.fixture
def bench(tmp_path):
    """An empty project."""
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("Thing('a')", "no explicit provider"),
        ("p = Provider('p'); Thing('a', provider=p); Thing('a', provider=p)", "duplicate resource"),
        (
            "pulumi.runtime.invoke('echo:m:get', {}, pulumi.InvokeOptions(provider=Provider('p')))",
            "does not support the provider function echo:m:get",
        ),
        ("pulumi.StackReference('other/stack/dev')", "does not support reading"),
        (
            BAD_TRANSFORM,
            "transform of .* failed: not this one",
        ),
        ("pulumi.ProviderResource('gcp', 'g', {})", "no provider for package 'gcp'"),
        ("raise pulumi.RunError('wrong zone')", "the program failed: wrong zone"),
        ("import nonsense_module", "the program failed: No module named 'nonsense_module'"),
        ("import sys; sys.exit('stop here')", "the program failed: stop here"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(bench, program, message):
    """UpdateFailed, no traceback."""
    with pytest.raises(UpdateFailed, match=message) as caught:
        bench.up(program)
    assert "\n" not in str(caught.value)


def test_what_a_program_prints_does_not_confuse_the_driver(bench):
    """Standard output is the program's; events have a channel of their own."""
    result = bench.up("print('{\"event\": \"summary\"}', flush=True)\npulumi.export('x', 1)")
    assert result.outputs == {"x": 1}


def test_warnings_a_program_logs_are_diagnostics(bench):
    """Once each."""
    result = bench.up("pulumi.log.warn('mind the gap'); pulumi.log.warn('mind the gap')")
    assert result.diagnostics == ("mind the gap",)


def test_children_inherit_protection(bench):
    """As Pulumi does: a protected component's children cannot be deleted."""
    program = (
        "p = Provider('p')\n"
        "o = pulumi.ResourceOptions(protect=True)\n"
        "c = pulumi.ComponentResource('bench:m:C', 'c', None, o)\n"
        "Thing('a', provider=p, parent=c)"
    )
    bench.up(program)
    with pytest.raises(UpdateFailed, match="'a' cannot be deleted because it is protected"):
        bench.up("Provider('p')")


def test_a_transform_may_change_options(bench):
    """Here it protects everything of one type."""
    program = (
        "import dataclasses\n"
        "def guard(args):\n"
        "    if args.type_ != 'echo:m:Thing':\n"
        "        return None\n"
        "    args.opts.protect = True\n"
        "    return pulumi.ResourceTransformResult({**args.props, 'added': 1}, args.opts)\n"
        "pulumi.runtime.register_resource_transform(guard)\n"
        "p = Provider('p')\n"
        "Thing('a', {'size': 1}, provider=p, ignore_changes=['size'])"
    )
    bench.up(program)
    with pytest.raises(UpdateFailed, match="protected"):
        bench.up("p = Provider('p')")
    again = bench.up(program.replace("'size': 1", "'size': 2"))
    assert again.changes == ()  # options the transform left alone are kept


def test_a_secret_made_by_the_program_is_kept_as_ciphertext(bench):
    """Without an encryptionsalt in the stack file, state keeps one of its own."""
    program = "pulumi.export('word', pulumi.Output.secret('open sesame'))"
    assert bench.up(program).outputs == {"word": "[secret]"}
    assert "open sesame" not in bench.state_path.read_text()
    assert bench.up(program).outputs == {"word": "[secret]"}


def test_a_secret_without_a_passphrase_is_refused(bench):
    """Nothing is written in clear instead."""
    del bench.env["PULUMI_CONFIG_PASSPHRASE"]
    with pytest.raises(ConfigError, match="PULUMI_CONFIG_PASSPHRASE"):
        bench.up("pulumi.export('word', pulumi.Output.secret('open sesame'))")
    assert "open sesame" not in bench.state_path.read_text()


def test_a_stack_that_is_not_embedded_is_not_touched(bench):
    """Before a lock, before the program."""
    bench.up("")
    bench.stack.config_path.write_text("config: {}\n")
    with pytest.raises(EmbeddedError, match="rightsizing:embedded: true"):
        bench.up("raise ValueError('never run')")


def test_a_full_disk_is_one_error_and_leaves_the_old_state(bench):
    """Simulated by a limit on file size: the engine's state grows past it."""
    bench.up("p = Provider('p')\nThing('a', provider=p)")
    before = bench.state_path.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # inherited by the child
    try:
        with pytest.raises(RightsizingError, match=r"state\.json could not be written") as caught:
            bench.up("p = Provider('p')\nThing('a', {'x': 'y' * 50_000}, provider=p)")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    after = bench.state_path.read_text()
    assert "yyy" not in after
    assert '"kind": "updating"' in after  # begun, and not known to be done
    assert before.count('"urn"') == after.count('"urn"') - 1
    result = bench.up("p = Provider('p')\nThing('a', provider=p)")
    assert "pending operations" in result.diagnostics[0]
