"""``rightsize cache``: size, time to live and price of a cache; calls saved by batches."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from rightsizing.catalog.cachenodes import CacheEngine
from rightsizing.cli.cachinginput import read_access_log
from rightsizing.cli.session import Session
from rightsizing.cli.writing import require_stack, write_cache
from rightsizing.decide.caching.batching import batching_ladder
from rightsizing.decide.caching.redisinfo import parse_info
from rightsizing.decide.caching.verdict import CacheSetting, CacheTerms, CacheVerdict, judge_cache
from rightsizing.errors import BadTrace, ConfigError
from rightsizing.model.caching import CacheConfig, ContainerCache, ElasticacheCache
from rightsizing.report import terminal
from rightsizing.report.cachingpage import caching_json, caching_page, redis_json, redis_page
from rightsizing.report.jsonview import plain

_BYTES_PER_MIB = 1024**2
_LARGEST = 1e12  # seconds or bytes
_LARGEST_USD_PER_CALL = 1_000_000
_CONTAINER_SHARE = 0.75  # of a container's memory that maxmemory takes


@click.command(epilog="Example: rightsize cache calls.csv --ttl 3600 --usd-per-call 0.002")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option(
    "--info", "info_file", type=click.Path(path_type=Path), help="Output of `redis-cli INFO`."
)
@click.option(
    "--ttl",
    "ttl_s",
    type=float,
    default=3600.0,
    show_default=True,
    help="Age up to which a value is still good, seconds.",
)
@click.option("--usd-per-call", help="Price of what a hit saves, dollars.")
@click.option(
    "--value-bytes",
    type=float,
    default=1024.0,
    show_default=True,
    help="Size of a value where the log gives none.",
)
@click.option("--region", default="us-east-1", show_default=True, help="Region of the node.")
@click.option(
    "--engine",
    type=click.Choice([item.value for item in CacheEngine]),
    default=CacheEngine.VALKEY.value,
    show_default=True,
    help="What runs on the node.",
)
@click.option("--nodes", type=int, default=1, show_default=True, help="Primary and replicas.")
@click.option(
    "--batch", type=int, default=50, show_default=True, help="Most requests of a batch; 1: none."
)
@click.option("--write", is_flag=True, help="Write the setting into the stack file.")
@click.option("--name", default="cache", show_default=True, help="Of the cache in the stack file.")
@click.pass_obj
def cache(
    session: Session,
    path: Path | None,
    info_file: Path | None,
    ttl_s: float,
    usd_per_call: str | None,
    value_bytes: float,
    region: str,
    engine: str,
    nodes: int,
    batch: int,
    write: bool,
    name: str,
) -> None:
    """Judge a cache from an access log, or one in use from INFO.

    PATH is CSV or Parquet with timestamp (ms), key and optionally value_bytes: the calls that a
    cache would stand before. Prints the hit ratio by size and time to live, the node, what it saves
    net, and what batching would save. Nothing is changed
    without --write, which keeps everything else in the file.
    """
    if (path is None) == (info_file is None):
        raise ConfigError("give an access log or --info, one of them")
    if write and info_file is not None:
        raise ConfigError("--write needs an access log: INFO decides no setting")
    if info_file is not None:
        figures = parse_info(info_file.name, _text(info_file))
        session.show(terminal.renderable(redis_page(figures)), redis_json(figures))
        return
    assert path is not None
    for option, value in (("--ttl", ttl_s), ("--value-bytes", value_bytes)):
        if not 0 < value <= _LARGEST:
            raise ConfigError(f"{option} {value:g} must be above 0 and at most {_LARGEST:g}")
    for option, count in (("--nodes", nodes), ("--batch", batch)):
        if count < 1:
            raise ConfigError(f"{option} {count} must be at least 1")
    require_stack(session, write)
    log = read_access_log(path, value_bytes)
    terms = CacheTerms(ttl_s, _price(usd_per_call), region, CacheEngine(engine), nodes)
    verdict = judge_cache(log, terms)
    batches = batching_ladder(log.seconds, batch) if batch > 1 and log.accesses else ()
    configs = None if not isinstance(verdict.best, CacheSetting) else cache_configs(verdict, terms)
    if write and configs is None:
        session.remark("nothing to write: no cache pays")
    elif write and configs is not None:
        write_cache(session, name, configs)
    session.show(
        terminal.renderable(caching_page(verdict, batches)),
        caching_json(verdict, batches, None if configs is None else plain(configs)),
    )


def cache_configs(verdict: CacheVerdict, terms: CacheTerms) -> dict[str, CacheConfig]:
    """Configuration of the best setting: a container for dev, ElastiCache for prod."""
    best = verdict.best
    assert isinstance(best, CacheSetting)
    data_mib = max(math.ceil(best.size_bytes / _BYTES_PER_MIB), 1)
    ttl = max(math.floor(best.ttl_s), 1)
    return {
        "dev": CacheConfig(
            ttl_seconds=ttl,
            deployment=ContainerCache(
                data_mib=data_mib, memory_mib=max(math.ceil(data_mib / _CONTAINER_SHARE), 16)
            ),
        ),
        "prod": CacheConfig(
            ttl_seconds=ttl,
            deployment=ElasticacheCache(
                engine="redis" if terms.engine is CacheEngine.REDIS else "valkey",
                node_type=best.node.node_type,
                nodes=min(terms.nodes, 6),
            ),
        ),
    }


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 <= price <= _LARGEST_USD_PER_CALL:
        raise ConfigError(
            f"--usd-per-call {text[:40]} must be a number of 0 to {_LARGEST_USD_PER_CALL:,}"
        )
    return price


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTrace(f"{path} cannot be read: {error}") from None
