"""An explanation as a document: sizes, the samples that bind, alternatives, evidence."""

from __future__ import annotations

from calendar import day_name

from rightsizing.catalog.capacity import SizeCapacity
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Recommendation
from rightsizing.profile.demandhistory import BusiestHour, DemandHistory, LevelHistory
from rightsizing.profile.peaksamples import DayPeak, Dimension, PeakSample
from rightsizing.report.document import (
    UNKNOWN,
    Block,
    Bullets,
    Cell,
    Chart,
    ChartBar,
    ChartMark,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    counted,
    money,
    row,
    share,
)
from rightsizing.report.explanation import (
    DimensionEvidence,
    EvidenceBundle,
    Explanation,
    SizeCapacities,
    excuse_groups,
)
from rightsizing.report.recommendationpage import predicted_shortage
from rightsizing.units import MILLISECONDS_PER_DAY, format_day, format_usd, gib

MOST_DAYS = 455  # of a chart; CloudWatch keeps no metric longer
MILLISECONDS_PER_MINUTE = 60_000


def explain_page(found: Explanation) -> Document:
    """The whole explanation."""
    item = found.recommendation
    blocks: list[Block] = [
        Heading(item.workload, 1),
        Paragraph(item.sentence),
        _sizes(item, found.capacities),
        Bullets(_decided_by(found)),
    ]
    for evidence, name in zip(found.evidence_by_weight, _names(found), strict=True):
        blocks += _samples(evidence, name, found.capacities)
    blocks += _history(found.history)
    blocks += _frontier(item)
    blocks += _alternatives(item)
    if item.missing_evidence:
        blocks += [Heading("Missing evidence"), Bullets(item.missing_evidence, Tone.WARNING)]
    blocks += [Heading("Made from"), Bullets(_bundle(found.bundle, item))]
    return tuple(blocks)


def _names(found: Explanation) -> tuple[Dimension, ...]:
    names = (Dimension.CPU, Dimension.MEMORY)
    return names[::-1] if found.evidence_by_weight[0] is found.memory else names


def _sizes(item: Recommendation, capacities: SizeCapacities) -> Table:
    sizes = [
        ("current", item.current, capacities.current, money(item.cost_before)),
        ("target", item.target, capacities.target, money(item.cost_after)),
        ("lower bound", item.lower_bound, capacities.lower, ""),
        ("upper bound", item.upper_bound, capacities.upper, ""),
    ]
    if item.uncapped_target != item.target:
        sizes.insert(2, ("by the data alone", item.uncapped_target, capacities.uncapped, ""))
    columns = (
        Column(""),
        Column("size"),
        Column("cores", right=True),
        Column("memory", right=True),
        Column("a month", right=True),
    )
    rows = tuple(
        row(name, str(size), *_capacity_words(capacity), cost)
        for name, size, capacity, cost in sizes
    )
    return Table(columns, rows)


def _capacity_words(capacity: SizeCapacity | NoData) -> tuple[str, str]:
    if isinstance(capacity, NoData):
        return UNKNOWN, UNKNOWN
    return f"{capacity.cores:g}", f"{gib(capacity.memory_bytes):.2f} GiB"


def _decided_by(found: Explanation) -> tuple[str, ...]:
    item = found.recommendation
    lines = [f"decided by {item.binding}"]
    if found.binding:
        lines.append(f"binding: {', then '.join(found.binding)}")
    lines.append(f"reasons: {', '.join(item.reasons) or 'it fits'}")
    if item.uncapped_target != item.target:
        lines.append(f"the data alone would allow {item.uncapped_target}; the reasons forbid it")
    lines += predicted_shortage(item)
    ratios = (
        ("CPU mean", item.projected_cpu_mean_ratio),
        ("CPU peak", item.projected_cpu_peak_ratio),
        ("memory peak", item.projected_memory_peak_ratio),
    )
    lines.append(
        "of the target are used: " + ", ".join(f"{name} {share(value)}" for name, value in ratios)
    )
    return tuple(lines)


def _samples(
    evidence: DimensionEvidence | NoData, name: Dimension, capacities: SizeCapacities
) -> tuple[Block, ...]:
    heading = Heading(f"{name[0].upper()}{name[1:]}")
    if isinstance(evidence, NoData):
        return (heading, Paragraph(evidence.reason, Tone.WARNING))
    levels = [
        (label, amount)
        for label, capacity in (("current", capacities.current), ("target", capacities.target))
        if (amount := _amount(capacity, name)) is not None
    ]
    return (
        heading,
        Paragraph(_passed(evidence, dict(levels))),
        _highest(evidence, dict(levels)),
        Chart(
            title=f"Highest of each day, {_unit(name)}",
            unit=_unit(name),
            bars=_bars(evidence.days, name),
            marks=tuple(
                ChartMark(f"{label} {_shown(amount, name)}", _scaled(amount, name))
                for label, amount in levels
            ),
        ),
    )


def _passed(evidence: DimensionEvidence, levels: dict[str, float]) -> str:
    def words(count: int | NoData, label: str) -> str:
        if isinstance(count, NoData):
            return UNKNOWN
        days = sum(day.sample.amount > levels[label] for day in evidence.days)
        return f"{count:,} on {counted(days, 'day')}" if count else "none"

    return (
        f"{counted(evidence.intervals, 'interval')} on {counted(len(evidence.days), 'day')}; above "
        f"the current size: {words(evidence.above_current, 'current')}; above the target: "
        f"{words(evidence.above_target, 'target')}. The highest:"
    )


def _highest(evidence: DimensionEvidence, levels: dict[str, float]) -> Table:
    name = evidence.dimension
    columns = (
        Column("interval from (UTC)"),
        Column("resource"),
        Column(f"used, {_unit(name)}", right=True),
        *(Column(f"of the {label}", right=True) for label in levels),
        Column("measured as"),
    )
    rows = tuple(
        row(
            _time(sample),
            sample.resource_id,
            f"{_scaled(sample.amount, name):.2f}",
            *(share(sample.amount / amount) for amount in levels.values()),
            Cell("mean" if sample.is_mean else "peak", Tone.QUIET),
        )
        for sample in evidence.highest
    )
    return Table(columns, rows)


def _bars(days: tuple[DayPeak, ...], name: Dimension) -> tuple[ChartBar, ...]:
    """A bar a day to the last one, measured or not."""
    measured = {item.day: item.sample.amount for item in days}
    if not measured:
        return ()
    last = max(measured)
    first = max(min(measured), last - MOST_DAYS + 1)  # a clock that jumped may be years off
    return tuple(
        ChartBar(format_day(day), _scaled(measured[day], name) if day in measured else None)
        for day in range(first, last + 1)
    )


def _history(history: DemandHistory | NoData) -> tuple[Block, ...]:
    heading = Heading("History")
    if isinstance(history, NoData):
        return (heading, Paragraph(history.reason, Tone.WARNING))
    return (
        heading,
        Bullets(
            (
                f"class: {history.demand_class}",
                _busiest_words(history.busiest_hour),
                *_level_words(history.cpu, Dimension.CPU),
                *_level_words(history.memory, Dimension.MEMORY),
            )
        ),
    )


def _busiest_words(found: BusiestHour | NoData) -> str:
    if isinstance(found, NoData):
        return f"busiest hour of the week: {found.reason}"
    return (
        f"busiest hour of the week: {day_name[found.weekday]} {found.hour:02d}:00 UTC, "
        f"{found.mean_cores:.2f} cores on average, at most {found.max_cores:.2f}"
    )


def _level_words(level: LevelHistory, name: Dimension) -> tuple[str, ...]:
    trend, shift = level.trend_per_day, level.shift
    if isinstance(trend, NoData) and isinstance(shift, NoData) and trend == shift:
        return (f"{name}: {trend.reason}",)
    says = [
        f"trend: {trend.reason}"
        if isinstance(trend, NoData)
        else f"trend {_scaled(trend, name):+.3f} {_unit(name)} a day",
        shift.reason
        if isinstance(shift, NoData)
        else f"since {format_day(shift.day)} at {shift.ratio:.2f} times the "
        f"level before; older days no longer count",
    ]
    if level.is_moving:
        says.append("the level moved within the last days, too few to size on")
    return (f"{name}: {'; '.join(says)}",)


def _frontier(item: Recommendation) -> tuple[Block, ...]:
    if not item.frontier:
        return ()
    columns = (
        Column("candidate"),
        Column("one, a month", right=True),
        Column("short, minutes a month", right=True),
        Column("of its CPU", right=True),
        Column("of its memory", right=True),
        Column("why"),
    )
    rows = tuple(
        row(
            Cell(point.candidate, Tone.GOOD if point.chosen else Tone.PLAIN),
            format_usd(point.usd_per_month),
            f"{point.exceedance.minutes_per_month:,.0f} "
            f"({point.exceedance.lower:,.0f} to {point.exceedance.upper:,.0f})",
            share(point.cpu_ratio),
            share(point.memory_ratio),
            point.sentence,
        )
        for point in item.frontier
    )
    return (Heading("Price of less risk"), Table(columns, rows))


def _alternatives(item: Recommendation) -> tuple[Block, ...]:
    if not item.excuses:
        return ()
    rows = tuple(
        row(group.code.value if place == 0 else "", excuse.candidate, excuse.sentence)
        for group in excuse_groups(item.excuses)
        for place, excuse in enumerate(group.excuses)
    )
    return (
        Heading("Alternatives that lost"),
        Table((Column("reason"), Column("candidate"), Column("why")), rows),
    )


def _bundle(bundle: EvidenceBundle, item: Recommendation) -> tuple[str, ...]:
    data = bundle.data
    changed = ", ".join(f"{name}={value}" for name, value in bundle.settings.items())
    window = "all history"
    if bundle.lookback_days is not None:
        window = f"the last {counted(bundle.lookback_days, 'day')} of the store"
    if data.start_ms is not None and data.end_ms is not None:
        window += f", {_moment(data.start_ms)} to {_moment(data.end_ms)} UTC"
    return (
        f"evidence: {item.evidence.grade.value}; {item.evidence.statement}",
        f"window: {window}",
        f"data: {counted(data.rows, 'row')}, SHA-256 {data.sha256}",
        f"settings: {changed or 'all at their defaults'}; scope {bundle.scope}",
        f"catalog: {bundle.catalog}",
        f"rightsizing {bundle.version}",
    )


def _time(sample: PeakSample) -> str:
    length = sample.interval_s
    words = f"{length // 60} min" if length % 60 == 0 else f"{length} s"
    return f"{_moment(sample.timestamp_ms)}, {words}"


def _moment(time_ms: int) -> str:
    day, rest = divmod(time_ms, MILLISECONDS_PER_DAY)
    minutes = rest // MILLISECONDS_PER_MINUTE
    return f"{format_day(day)} {minutes // 60:02d}:{minutes % 60:02d}"


def _amount(capacity: SizeCapacity | NoData, name: Dimension) -> float | None:
    if isinstance(capacity, NoData):
        return None
    return capacity.cores if name is Dimension.CPU else capacity.memory_bytes


def _unit(name: Dimension) -> str:
    return "cores" if name is Dimension.CPU else "GiB"


def _scaled(amount: float, name: Dimension) -> float:
    return amount if name is Dimension.CPU else gib(amount)


def _shown(amount: float, name: Dimension) -> str:
    return f"{_scaled(amount, name):.3g} {_unit(name)}"
