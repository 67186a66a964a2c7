"""A job as a Lambda function: its role, its log, and what starts it.

The role may write its own log and read its own queue, nothing else. A queue keeps a message six
times the function's timeout out of sight, as AWS asks for, and hands over to a dead-letter queue
what failed MOST_RECEIVES times. With a schedule, EventBridge starts the function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.naming import resource_stem
from infra.tags import workload_tags
from rightsizing.model.phased import JobDeclaration
from rightsizing.model.serverless import QueueTrigger, ScheduleTrigger
from rightsizing.model.workload import Architecture

MOST_RECEIVES = 5  # AWS Lambda developer guide, "Using Lambda with Amazon SQS": at least 5
VISIBILITY_FACTOR = 6  # the same page: six times the function's timeout, plus the batch window
DEAD_LETTER_DAYS = 14  # the longest SQS keeps a message
_SECONDS_PER_DAY = 86_400
_FUNCTION_MAY_ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"},
            }
        ],
    },
    sort_keys=True,
)
_ARCHITECTURES = {Architecture.X86_64: "x86_64", Architecture.ARM64: "arm64"}


@dataclass(frozen=True)
class JobArgs:
    """One declared job. ``secret``: its declaration is encrypted, so its environment stays so."""

    declared: JobDeclaration
    secret: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class Job(pulumi.ComponentResource):
    """Function, role, log group and trigger of one component; ``name`` is its key."""

    function: aws.lambda_.Function
    summary: pulumi.Output[Any]

    def __init__(
        self, name: str, args: JobArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:Job", name, None, opts)
        self._args = args
        self._workload = name
        self._stem = resource_stem(name)
        self._tags = workload_tags(name, more=args.tags)
        self._own = pulumi.ResourceOptions(parent=self)
        config = args.declared.config
        logs = aws.cloudwatch.LogGroup(
            self._stem,
            retention_in_days=args.declared.log_retention_days,
            tags=self._tags,
            opts=self._own,
        )
        queue = self._make_queue() if isinstance(config.trigger, QueueTrigger) else None
        self.function = self._make_function(logs, queue)
        summary: dict[str, pulumi.Input[Any]] = {
            "function_name": self.function.name,
            "memory_mib": config.memory_mib,
            "timeout_seconds": config.timeout_seconds,
        }
        if isinstance(config.trigger, ScheduleTrigger):
            self._start_by_clock(config.trigger)
            summary["schedule"] = config.trigger.expression
        elif queue is not None:
            self._start_by_queue(queue, config.trigger)
            summary["queue_url"] = queue.url
        self.summary = pulumi.Output.from_input(summary)
        self.register_outputs({"summary": self.summary})

    def _make_function(
        self, logs: aws.cloudwatch.LogGroup, queue: aws.sqs.Queue | None
    ) -> aws.lambda_.Function:
        declared = self._args.declared
        config = declared.config
        role = aws.iam.Role(
            self._stem, assume_role_policy=_FUNCTION_MAY_ASSUME, tags=self._tags, opts=self._own
        )
        policy = aws.iam.RolePolicy(
            self._stem, role=role.name, policy=_role_policy(logs, queue), opts=self._own
        )
        variables = declared.environment
        return aws.lambda_.Function(
            self._stem,
            package_type="Image",
            image_uri=declared.image,
            image_config=(
                aws.lambda_.FunctionImageConfigArgs(commands=list(declared.command))
                if declared.command
                else None
            ),
            role=role.arn,
            architectures=[_ARCHITECTURES[config.architecture]],
            memory_size=config.memory_mib,
            timeout=config.timeout_seconds,
            ephemeral_storage=aws.lambda_.FunctionEphemeralStorageArgs(size=config.ephemeral_mib),
            environment=(
                aws.lambda_.FunctionEnvironmentArgs(
                    variables=pulumi.Output.secret(variables) if self._args.secret else variables
                )
                if variables
                else None
            ),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(
                log_format="Text", log_group=logs.name
            ),
            tags=self._tags,
            # A queue is only accepted as a source once the role may read it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )

    def _make_queue(self) -> aws.sqs.Queue:
        config = self._args.declared.config
        trigger = config.trigger
        assert isinstance(trigger, QueueTrigger)
        dead = aws.sqs.Queue(
            f"{self._stem}-dead",
            message_retention_seconds=DEAD_LETTER_DAYS * _SECONDS_PER_DAY,
            tags=self._tags,
            opts=self._own,
        )
        return aws.sqs.Queue(
            self._stem,
            visibility_timeout_seconds=(
                VISIBILITY_FACTOR * config.timeout_seconds + trigger.window_seconds
            ),
            redrive_policy=dead.arn.apply(_redrive),
            tags=self._tags,
            opts=self._own,
        )

    def _start_by_queue(self, queue: aws.sqs.Queue, trigger: QueueTrigger) -> None:
        aws.lambda_.EventSourceMapping(
            self._stem,
            event_source_arn=queue.arn,
            function_name=self.function.name,
            batch_size=trigger.batch_size,
            maximum_batching_window_in_seconds=_window_seconds(trigger),
            # Only what failed of a batch is tried again.
            function_response_types=["ReportBatchItemFailures"],
            opts=self._own,
        )

    def _start_by_clock(self, trigger: ScheduleTrigger) -> None:
        rule = aws.cloudwatch.EventRule(
            self._stem,
            description=f"Starts {self._workload}",
            schedule_expression=trigger.expression,
            tags=self._tags,
            opts=self._own,
        )
        aws.lambda_.Permission(
            self._stem,
            action="lambda:InvokeFunction",
            function=self.function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            statement_id="schedule",
            opts=self._own,
        )
        aws.cloudwatch.EventTarget(
            self._stem, rule=rule.name, arn=self.function.arn, target_id="job", opts=self._own
        )


def _window_seconds(trigger: QueueTrigger) -> int:
    """AWS Lambda asks for a window of at least a second with batches of more than ten."""
    return max(trigger.window_seconds, 1) if trigger.batch_size > 10 else trigger.window_seconds


def _redrive(dead_letter_arn: str) -> str:
    return json.dumps(
        {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": MOST_RECEIVES}, sort_keys=True
    )


def _role_policy(logs: aws.cloudwatch.LogGroup, queue: aws.sqs.Queue | None) -> pulumi.Output[str]:
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": pulumi.Output.concat(logs.arn, ":*"),
        }
    ]
    if queue is not None:
        statements.append(
            {
                "Effect": "Allow",
                "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                "Resource": queue.arn,
            }
        )
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
