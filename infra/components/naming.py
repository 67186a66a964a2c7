"""Resource names from workload keys, within what AWS accepts.

Physical names are left to Pulumi, which adds a random suffix so that a replacement can be created
before the old resource is deleted. The logical names made here keep the result within the
shortest limit, that of load balancers and target groups.
"""

from __future__ import annotations

import hashlib
import re

MAX_ELB_NAME = 32  # letters, digits and hyphens: Elastic Load Balancing, CreateTargetGroup
AUTONAME_SUFFIX = 8  # Pulumi appends "-" and seven hex digits
# Because a load balancer's name must not begin with "internal-".
LOAD_BALANCER_PREFIX = "lb-"
_AFFIX = len(LOAD_BALANCER_PREFIX)  # the longest one that is added to a stem
MAX_STEM = MAX_ELB_NAME - AUTONAME_SUFFIX - _AFFIX
_DIGEST = 5  # "-" and four hex digits, so that shortened or cleaned keys stay distinct

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9]+")


def resource_stem(workload: str) -> str:
    """The workload key as a name of at most MAX_STEM letters, digits and single inner hyphens.

    | key                             | stem                  |
    |---------------------------------|-----------------------|
    | news-api                        | news-api              |
    | team/news.api                   | team-news-api-e7f6    |
    | a-rather-long-name-of-a-service | a-rather-long-na-1b5d |
    """
    clean = _NOT_ALLOWED.sub("-", workload).strip("-")
    if clean == workload and len(clean) <= MAX_STEM:
        return clean
    digest = hashlib.sha256(workload.encode("utf-8")).hexdigest()[: _DIGEST - 1]
    return f"{clean[: MAX_STEM - _DIGEST].strip('-')}-{digest}".lstrip("-")


def stack_scoped(name: str, project: str, stack: str) -> str:
    """A name that is chosen, not suffixed, so it carries project and stack to be unique."""
    return "-".join(_NOT_ALLOWED.sub("-", part).strip("-") for part in (project, stack, name))
