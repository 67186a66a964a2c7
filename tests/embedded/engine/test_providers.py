"""Providers as the deployment calls them."""

import pytest
from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from rightsizing.embedded.engine.providers import (
    ConfiguredProvider,
    Difference,
    ProviderFailed,
    load_provider,
    load_table,
)
from rightsizing.errors import ConfigError, EmbeddedError

URN = "urn:pulumi:dev::p::t:m:T::a"


class Answering(sdk.Provider):
    """Answers Diff and Check with what it was given."""

    def __init__(self, answer):
        self.answer = answer

    async def diff(self, request):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def check(self, request):
        return self.answer


def difference(answer, old, new):
    """The verdict on ``new`` over ``old`` as inputs."""
    provider = ConfiguredProvider("t", Answering(answer))
    return provider.diff(URN, "i", old_inputs=old, old_outputs={}, new=new, ignored=())


def test_a_provider_that_does_not_know_leaves_it_to_the_inputs():
    """``changes=None``: unequal inputs are a change in place."""
    assert difference(sdk.DiffResponse(), {"a": 1}, {"a": 2}) == Difference(("a",))
    assert difference(sdk.DiffResponse(), {"a": 1}, {"a": 1}) == Difference(())


def test_a_providers_no_is_final():
    """Inputs may differ in form only."""
    assert difference(sdk.DiffResponse(changes=False), {"a": 1}, {"a": 2}) == Difference(())


def test_detailed_differences_name_paths_and_replacements():
    """A kind ending in replace forces it."""
    kind = sdk.PropertyDiffKind
    answer = sdk.DiffResponse(
        changes=True,
        detailed_diff={
            "tags.k": sdk.PropertyDiff(kind.UPDATE, True),
            "zone": sdk.PropertyDiff(kind.UPDATE_REPLACE, True),
        },
        delete_before_replace=True,
    )
    expected = Difference(("tags.k", "zone"), ("zone",), delete_before_replace=True)
    assert difference(answer, {}, {}) == expected


def test_a_failed_check_names_property_value_and_reason():
    """Resource type and name too."""
    answer = sdk.CheckResponse(failures=[sdk.CheckFailure("size", "too big")])
    provider = ConfiguredProvider("t", Answering(answer))
    with pytest.raises(
        ProviderFailed, match=r"t:m:T resource 'a': property size value 9 .*too big"
    ):
        provider.check(URN, {}, {"size": 9}, b"")


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), KeyError("boom"), NotImplementedError("boom")]
)
def test_whatever_a_provider_raises_becomes_one_error(error):
    """With its message."""
    with pytest.raises(ProviderFailed, match="boom"):
        difference(error, {}, {})


def test_a_create_without_an_id_is_refused():
    """State without an id could never be deleted."""

    class Idless(sdk.Provider):
        async def create(self, request):
            return sdk.CreateResponse("", {"a": PropertyValue("b")})

    provider = ConfiguredProvider("t", Idless())
    assert provider.create(URN, {}, dry_run=True) == ("", {"a": "b"})
    with pytest.raises(ProviderFailed, match="no id"):
        provider.create(URN, {}, dry_run=False)


def test_an_unknown_package_lists_the_known():
    """Found by name in an explicit table."""
    with pytest.raises(EmbeddedError, match="'gcp', only for aws"):
        load_provider("gcp", {"aws": "nowhere:Aws"})


@pytest.mark.parametrize("spec", ["nowhere", "nowhere:TABLE", "json:TABLE", ":"])
def test_a_wrong_table_is_a_configuration_error(spec):
    """``--providers`` must name a mapping."""
    with pytest.raises(ConfigError, match="names no provider table"):
        load_table(spec)
