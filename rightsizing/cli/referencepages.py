"""The reference pages as Markdown, made from the code they describe.

A page holds nothing that is not in the code: commands from click, settings and stack keys from the
pydantic models, exit codes from the errors, the IAM policy from ``rightsizing.awscalls``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from rightsizing import errors
from rightsizing.awscalls import READ_CALLS, policy_document, read_actions
from rightsizing.cli.commands import COMMANDS
from rightsizing.cli.commands.loading import REGRESSION_EXIT_CODE
from rightsizing.cli.commandtable import command_parts, options_of, options_table
from rightsizing.cli.fieldtable import FIELD_HEADS, field_rows
from rightsizing.cli.main import (
    INTERNAL_ERROR,
    INTERRUPTED_EXIT_CODE,
    CommandTree,
    rightsize,
)
from rightsizing.cli.markdownpage import head, page, prose, table
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE
from rightsizing.model.caching import CacheConfig, ContainerCache, ElasticacheCache
from rightsizing.model.commitment import CommitmentDecision, CommitmentPlan
from rightsizing.model.declaration import (
    SETTINGS_KEY,
    ContainerDeclaration,
    FleetDeclaration,
    NetworkDeclaration,
    ProxyDeclaration,
    ProxyServer,
    ServiceDeclaration,
    StackDeclaration,
)
from rightsizing.model.measurement import MEASUREMENT_COLUMNS, SCHEMA_VERSION
from rightsizing.model.phased import (
    BudgetsDeclaration,
    CacheDeclaration,
    CommitmentsDeclaration,
    Confirmation,
    JobDeclaration,
    ReservedNodes,
    TenancyDeclaration,
)
from rightsizing.model.release import LAST_PHASE, MAX_RELEASE_BYTES, Release
from rightsizing.model.rollout import FleetRollout, RolloutState, SlotState
from rightsizing.model.serverless import FunctionConfig, QueueTrigger, ScheduleTrigger
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.tenancy import TenancyConfig, TenantInstance
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY
from rightsizing.model.workload import Slos
from rightsizing.provisionactions import PROVISION_ACTIONS, PURCHASE_ACTIONS, provision_actions
from rightsizing.rollout.restoration import EXIT_CODES as ROLLBACK_EXIT_CODES
from rightsizing.rollout.restoration import RollbackOutcome
from rightsizing.rollout.run import EXIT_CODES as ROLLOUT_EXIT_CODES
from rightsizing.rollout.run import RolloutOutcome
from rightsizing.settings import Settings

# What an exit code means, whatever raised it; a code without an entry here is a KeyError.
EXIT_MEANINGS: Mapping[int, str] = {
    0: "done",
    1: "an error that no other code names; a failed item of `check`; a declined rollback",
    2: "arguments, settings or configuration are wrong",
    3: "refused by the evidence: an audit, a plan, a quarantined release, a skipped phase",
    4: "a stack operation could not be done",
    5: "live facts are not what the stack file says",
    ROLLBACK_EXIT_CODES[RollbackOutcome.PARTLY_RESTORED]: "a rollback restored only a part",
    ROLLBACK_EXIT_CODES[RollbackOutcome.FAILED]: "a rollback restored nothing",
    PARTIAL_DATA_EXIT_CODE: "done, but something could not be read or is unknown",
    ROLLOUT_EXIT_CODES[RolloutOutcome.ROLLED_BACK]: "a rollout or watch found harm and went back",
    ROLLOUT_EXIT_CODES[RolloutOutcome.PAUSED]: "a rollout is paused; a watch measured nothing",
    REGRESSION_EXIT_CODE: "a load test showed a limit or margin to be broken",
    INTERNAL_ERROR: "an error of the toolkit itself; run again with `--debug`",
    INTERRUPTED_EXIT_CODE: "interrupted, or answered no; what was finished is kept",
}


def commands_page() -> str:
    """Every command with its options and an example, in the order of ``--help``."""
    parts = [
        head("Commands", "the commands of `rightsizing/cli/`"),
        prose(
            "These options go before or after the command's name. Every command also has `--help`."
        ),
        options_table(options_of(rightsize)),
    ]
    for section, names in CommandTree.sections:
        parts.append(f"## {section}")
        for name in names:
            parts += command_parts(f"rightsize {name}", COMMANDS[name]())
    return page(parts)


def settings_page() -> str:
    """Every setting with default, bounds and meaning."""
    return page(
        [
            head("Settings", "`rightsizing/settings.py`"),
            prose(
                f"A setting comes from its default, then from `{SETTINGS_KEY}` in the stack file, "
                "then from `--set NAME=VALUE` on the command line. Percentages are 0-100, money is "
                "US dollars, a month has 730 hours."
            ),
            f"```yaml\nconfig:\n  {SETTINGS_KEY}:\n    risk: balanced\n```",
            table(("setting", *FIELD_HEADS), field_rows(Settings)),
        ]
    )


def exit_codes_page() -> str:
    """Exit codes, what they mean and which errors end with them."""
    by_code: dict[int, list[str]] = {code: [] for code in EXIT_MEANINGS}
    for error in _error_classes():
        by_code[error.exit_code].append(f"`{error.__name__}`")
    outcomes = ", ".join(
        f"{code} {outcome.value.replace('_', ' ')}" for outcome, code in ROLLBACK_EXIT_CODES.items()
    )
    return page(
        [
            head("Exit codes", "`rightsizing/errors.py` and `rightsizing/cli/`"),
            prose(
                "An error is one sentence on standard error. With `--json` it is also printed on "
                'standard output as `{"error": {"message": "...", "exit_code": 1}}`. A traceback '
                "needs `--debug`."
            ),
            table(
                ("code", "means", "errors"),
                [
                    (f"`{code}`", EXIT_MEANINGS[code], ", ".join(names))
                    for code, names in sorted(by_code.items())
                ],
            ),
            prose(
                f"`rightsize rollback` ends with {outcomes}. `rightsize check` ends with 0 when "
                "everything passed, 1 when something failed and "
                f"{PARTIAL_DATA_EXIT_CODE} when something is unknown. `rightsize local status` "
                "ends with 1 when the local cloud does not run."
            ),
            "## Errors",
            table(
                ("error", "code", "means"),
                [
                    (f"`{error.__name__}`", f"`{error.exit_code}`", _first_sentence(error.__doc__))
                    for error in _error_classes()
                ],
            ),
        ]
    )


def iam_policy_page() -> str:
    """Every AWS call with its reason, and the two policy statements."""
    applying = json.loads(policy_document(applying=True))["Statement"][1]
    return page(
        [
            head("IAM policy", "`rightsizing/awscalls.py` and `rightsizing/provisionactions.py`"),
            prose(
                "`rightsize iam-policy` prints the reading policy, `rightsize iam-policy "
                "--applying` both statements. A test compares the calls in the source with this "
                "table, both ways."
            ),
            "## Reading",
            prose(
                f"The toolkit itself makes {len(READ_CALLS)} kinds of calls, which need "
                f"{len(read_actions())} actions. None of them changes anything."
            ),
            table(
                ("action", "for", "why"),
                [
                    (f"`{call.action}`", ", ".join(call.purposes), call.why.rstrip("."))
                    for call in READ_CALLS
                ],
            ),
            f"```json\n{policy_document()}\n```",
            "## Applying",
            prose(
                "What the Pulumi AWS provider needs for the resource types of `infra/`: "
                f"{len(provision_actions())} actions, tagging included. `pulumi up`, `rightsize "
                "apply`, `retire`, `rollback` and `destroy` use them."
            ),
            table(
                ("resource type", "actions"),
                [
                    (f"`{name}`", ", ".join(f"`{action}`" for action in sorted(actions)))
                    for name, actions in PROVISION_ACTIONS.items()
                ],
            ),
            f"```json\n{json.dumps(applying, indent=2)}\n```",
            "## Buying",
            prose(
                "In none of these policies: what buys commitments. Give it to a role of its own, "
                "for the one update after `rightsize commit approve --confirm`."
            ),
            table(
                ("resource type", "actions"),
                [
                    (f"`{name}`", ", ".join(f"`{action}`" for action in sorted(actions)))
                    for name, actions in PURCHASE_ACTIONS.items()
                ],
            ),
        ]
    )


def measurement_schema_page() -> str:
    """Columns of the store."""
    return page(
        [
            head("Measurement schema", "`rightsizing/model/measurement.py`"),
            prose(
                "A stack's store is Parquet in `.rightsizing/<project>/<stack>/store`; outside a "
                "project it is `.rightsizing/store`. One row is one workload and resource over one "
                "interval. An empty cell means that nothing was measured in that interval; it "
                "never means 0. Timestamps are interval starts, UTC. Schema version "
                f"{SCHEMA_VERSION}."
            ),
            table(
                ("column", "type", "unit", "required", "meaning"),
                [
                    (
                        f"`{column.name}`",
                        column.type.value,
                        column.unit,
                        "yes" if column.required else "",
                        column.meaning,
                    )
                    for column in MEASUREMENT_COLUMNS
                ],
            ),
            prose("Files are read in another schema: see [Measure](../guide/measure.md#files)."),
        ]
    )


def stack_configuration_page() -> str:
    """Declared keys and the three keys that the tool writes."""
    return page(
        [
            head("Stack configuration", "the models that parse `Pulumi.<stack>.yaml`"),
            prose(
                "All keys are under `rightsizing:`. An unknown field is refused by name. Workload "
                "keys are 1 to 128 letters, digits, `.`, `_`, `/` and `-`, and unique in the stack."
            ),
            "## Declared by the owner",
            _fields(StackDeclaration, "key"),
            prose(f"`{SETTINGS_KEY}` holds [settings](settings.md)."),
            *_sections(
                {
                    "`network`": NetworkDeclaration,
                    "An entry of `fleets`": FleetDeclaration,
                    "An entry of `services`": ServiceDeclaration,
                    "An entry of `containers`": ContainerDeclaration,
                    "`proxy` of a container": ProxyDeclaration,
                    "`a` and `b` of a proxy": ProxyServer,
                    "`slos` of a workload": Slos,
                }
            ),
            "## Declared from a phase on",
            prose(
                "`rightsize cache`, `serverless`, `pack` and `commit recommend` write a decision's "
                "`config` or `plan` here with `--write`, and keep everything else. Nothing of it "
                "is applied below its `phase`. The exception are confirmed commitments: what is "
                "bought stays bought."
            ),
            *_sections(
                {
                    "An entry of `cache`": CacheDeclaration,
                    "`config` of a cache": CacheConfig,
                    "`deployment` of kind `container`": ContainerCache,
                    "`deployment` of kind `elasticache`": ElasticacheCache,
                    "An entry of `jobs`": JobDeclaration,
                    "`config` of a job": FunctionConfig,
                    "`trigger` of kind `schedule`": ScheduleTrigger,
                    "`trigger` of kind `queue`": QueueTrigger,
                    "An entry of `tenancy`": TenancyDeclaration,
                    "`config` of a group of tenants": TenancyConfig,
                    "An entry of `instances`": TenantInstance,
                    "`commitments`": CommitmentsDeclaration,
                    "`plan` of commitments": CommitmentPlan,
                    "An entry of `decisions`": CommitmentDecision,
                    "An entry of `cache_nodes` and `databases`": ReservedNodes,
                    "`confirmed`": Confirmation,
                    "`budgets`": BudgetsDeclaration,
                }
            ),
            "## Sizes",
            *_sections(
                {
                    "Fleet size": FleetSize,
                    "Service size": ServiceSize,
                    "Container size": ContainerSize,
                }
            ),
            "## Written by the tool",
            prose(
                "`rightsize plan`, `retire` and `rollback` write these keys and keep everything "
                "else in the file, comments too."
            ),
            f"### `{RELEASE_KEY}`",
            prose(
                "The id of a release is the SHA-256 of its canonical JSON, which may have "
                f"{MAX_RELEASE_BYTES:,} bytes at most."
            ),
            _fields(Release),
            f"### `{PHASE_KEY}`",
            prose(
                f"A whole number from 0 to {LAST_PHASE}: phases 1 up to it apply. 0 or absent: "
                "none, and every size is the declared one."
            ),
            f"### `{ROLLOUT_KEY}`",
            _fields(RolloutState),
            *_sections({"Fleet rollout": FleetRollout, "Slot state": SlotState}),
        ]
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "exit-codes.md": exit_codes_page,
    "iam-policy.md": iam_policy_page,
    "measurement-schema.md": measurement_schema_page,
    "stack-configuration.md": stack_configuration_page,
}


def _sections(models: Mapping[str, type[BaseModel]]) -> Iterator[str]:
    for title, model in models.items():
        yield f"### {title}"
        yield _fields(model)


def _fields(model: type[BaseModel], first: str = "field") -> str:
    return table((first, *FIELD_HEADS), field_rows(model))


def _error_classes() -> Iterator[type[errors.RightsizingError]]:
    """The error tree, in the order of its source."""
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.RightsizingError):
            yield found


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].split(". ")[0].rstrip(".")
