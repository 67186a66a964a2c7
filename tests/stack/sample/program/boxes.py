"""Resource classes of the JSON cloud (a sibling module: the program folder must be importable)."""

import pulumi


class Provider(pulumi.ProviderResource):
    """The provider; ``path`` is the cloud's file."""

    def __init__(self, name, path, opts=None):
        super().__init__("jsoncloud", name, {"path": path}, opts)


class Box(pulumi.CustomResource):
    """One box."""

    arn: pulumi.Output[str]
    revision: pulumi.Output[int]
    size: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, resource_name, props, opts=None):
        props = {"arn": None, "revision": None, "name": None, **props}
        super().__init__("jsoncloud:index/box:Box", resource_name, props, opts)


class Group(pulumi.ComponentResource):
    """A box inside a component, for parent URNs."""

    def __init__(self, name, size, opts=None):
        super().__init__("sample:index:Group", name, {"size": size}, opts)
        self.box = Box(f"{name}-box", {"size": size}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"arn": self.box.arn})
