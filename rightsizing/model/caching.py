"""A cache as stack configuration can hold it: a container in dev, ElastiCache in prod."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rightsizing.model.base import FrozenModel

EvictionPolicy = Literal["allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "noeviction"]


class ContainerCache(FrozenModel):
    """Redis or Valkey in a container."""

    kind: Literal["container"] = Field(default="container", description="which kind of cache")
    image: str = Field(default="redis:7-alpine", description="of the container")
    memory_mib: int = Field(ge=6, description="limit of the container")
    data_mib: int = Field(ge=1, description="maxmemory: what keys and values may take")


class ElasticacheCache(FrozenModel):
    """A replication group of ElastiCache."""

    kind: Literal["elasticache"] = Field(default="elasticache", description="which kind of cache")
    engine: Literal["redis", "valkey"] = Field(default="valkey", description="what runs on it")
    node_type: str = Field(pattern=r"^cache\.[a-z0-9.]+$", description="such as cache.t4g.small")
    nodes: int = Field(default=1, ge=1, le=6, description="primary and replicas")


CacheDeployment = Annotated[ContainerCache | ElasticacheCache, Field(discriminator="kind")]


class CacheConfig(FrozenModel):
    """A cache, and how long what is put into it is good."""

    version: Literal[1] = Field(default=1, description="of this format")
    ttl_seconds: int = Field(ge=1, description="time to live of a value from when it is fetched")
    eviction: EvictionPolicy = Field(default="allkeys-lru", description="Redis maxmemory-policy")
    deployment: CacheDeployment = Field(description="where it runs")
