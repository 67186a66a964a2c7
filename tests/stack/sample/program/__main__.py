"""Makes the boxes that configuration lists; each entry may name resource options."""

import os
from pathlib import Path

import pulumi
from boxes import Box, Group, Provider

config = pulumi.Config()
cloud = Provider("cloud", os.environ["JSONCLOUD"], pulumi.ResourceOptions(version="0.0.1"))


def label(args):
    """Stack transform: every box carries the label."""
    if args.type_ != "jsoncloud:index/box:Box":
        return None
    return pulumi.ResourceTransformResult(
        {**args.props, "label": config.require("label")}, args.opts
    )


pulumi.runtime.register_resource_transform(label)
made = {}
for name, entry in (config.get_object("boxes") or {}).items():
    opts = pulumi.ResourceOptions(
        provider=cloud,
        depends_on=[made[other] for other in entry.get("needs", [])],
        protect=entry.get("protect"),
        ignore_changes=entry.get("ignore"),
        replace_on_changes=entry.get("replace_on"),
        delete_before_replace=entry.get("stop_first"),
        retain_on_delete=entry.get("retain"),
        aliases=[pulumi.Alias(name=old) for old in entry.get("was", [])],
    )
    props = {key: entry[key] for key in ("size", "zone", "desired", "tags") if key in entry}
    if "after" in entry:
        props["after"] = made[entry["after"]].arn
    if entry.get("secret"):
        props["password"] = config.require_secret("password")
    made[name] = Box(name, props, opts)
if config.get_bool("group"):
    made["group"] = Group("group", "small", pulumi.ResourceOptions(providers=[cloud])).box
pulumi.export("arns", {name: box.arn for name, box in made.items()})
pulumi.export("folder", Path.cwd().name)
if config.get_secret("password") is not None:
    pulumi.export("password", config.get_secret("password"))
if config.get_bool("explode"):
    raise ValueError("the program says no")
