"""Project files as the engine reads them."""

import pytest

from rightsizing.embedded.engine.passphrase import PassphraseCipher
from rightsizing.embedded.engine.project import load_project
from rightsizing.errors import ConfigError, EmbeddedError

CIPHER = PassphraseCipher(None, None)


@pytest.fixture
def project(tmp_path):
    """Writes the two files and loads them."""

    def load(settings="", stack="", head="name: p\nruntime: python\n"):
        (tmp_path / "Pulumi.yaml").write_text(f"{head}{settings}")
        (tmp_path / "Pulumi.dev.yaml").write_text(stack)
        return load_project(tmp_path, "dev")

    return load


def test_keys_without_a_namespace_belong_to_the_project(project):
    """Structured values are JSON text with sorted keys, as Pulumi passes them."""
    loaded = project(stack="config:\n  p:a: {y: 1, x: [true, null]}\n  b: text\n  q:c: 1.5\n")
    assert loaded.clear_config(CIPHER) == {
        "p:a": '{"x":[true,null],"y":1}',
        "p:b": "text",
        "q:c": "1.5",
    }


def test_declared_defaults_fill_in(project):
    """Of every type, and the plain form."""
    settings = (
        "config:\n  a: {type: boolean, default: true}\n  b: plain\n"
        "  c: {type: array, default: [1]}\n  q:d: {value: x}\n"
    )
    assert project(settings).clear_config(CIPHER) == {
        "p:a": "true",
        "p:b": "plain",
        "p:c": "[1]",
        "q:d": "x",
    }


def test_yaml_is_read_as_version_1_2(project):
    """``no`` is a word there, not a boolean."""
    assert project(stack="config:\n  p:a: no\n").clear_config(CIPHER) == {"p:a": "no"}


def test_a_required_value_is_missed_by_name(project):
    """Declared, without a default, and not given."""
    with pytest.raises(ConfigError, match="missing a value for `p:size`"):
        project("config:\n  size: {type: string}\n")


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", "[1]"), ("object", "text"), ("array", "{a: 1}")]
)
def test_a_value_of_the_wrong_type_is_refused(project, kind, value):
    """The message names key and type."""
    with pytest.raises(ConfigError, match=f"`p:a` must be of type {kind}"):
        project(f"config:\n  a: {{type: {kind}}}\n", f"config:\n  p:a: {value}\n")


def test_text_is_accepted_where_the_cli_writes_text(project):
    """``pulumi config set`` writes numbers and booleans as text."""
    loaded = project("config:\n  a: {type: integer}\n", "config:\n  p:a: '3'\n")
    assert loaded.clear_config(CIPHER) == {"p:a": "3"}


def test_secrets_stay_ciphertext_in_history(project):
    """Also deep inside a structured value, which makes the whole key secret."""
    sealed = PassphraseCipher("p", None)
    inner = sealed.encrypt("word")
    loaded = project(
        stack=f"config:\n  p:a: {{secure: '{inner}'}}\n  p:b: {{c: {{secure: '{inner}'}}}}\n"
    )
    cipher = PassphraseCipher("p", sealed.salt)
    assert loaded.clear_config(cipher) == {"p:a": "word", "p:b": '{"c":"word"}'}
    history = loaded.history_config()
    assert history["p:a"] == {"value": inner, "secret": True}
    assert history["p:b"]["secret"] is True
    assert "word" not in str(history)


@pytest.mark.parametrize(
    "stack",
    [
        "",
        "config: {}\n",
        "config:\n  rightsizing:embedded: false\n",
        "config:\n  p:embedded: true\n",
    ],
)
def test_a_stack_that_does_not_ask_for_stand_ins_is_refused(project, stack):
    """Only ``rightsizing:embedded: true`` opens the door."""
    with pytest.raises(EmbeddedError, match="rightsizing:embedded: true"):
        project(stack=stack).refuse_unless_embedded("dev")


@pytest.mark.parametrize(
    "head",
    [
        "name: p\nruntime: go\n",
        "runtime: python\n",
        "[]",
        "a: [",
        "name: p\nruntime: python\na: 1\na: 2\n",
    ],
)
def test_a_foreign_or_broken_project_file_is_named(project, head):
    """Not Python, no name, no mapping, no YAML, a key twice."""
    with pytest.raises(ConfigError, match=r"Pulumi\.yaml"):
        project(head=head)
