"""A configuration as commented text: what was chosen, why, and what is doubtful.

Lines of text and not a serializer, for the comments are what the file is for; every value is
written by the YAML library, so that any name of a column stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.groups import OTHER, POLICE_INITIATED
from pipeline.init.clocks import Clock
from pipeline.init.draft import CUTOFF, Draft, column_names, mapped_columns, shown_path
from pipeline.init.groups import GROUPS, NOT_CRIMINAL
from pipeline.init.keys import Keys
from pipeline.init.yaml_text import comment, doubts, line, scalar

_MEANING = {
    POLICE_INITIATED: "recorded because police were there: no target may hold them",
    NOT_CRIMINAL: "no offences: in no target",
}
_MOST_LISTED = 400
_MUCH_LOST = 0.4  # of the rows: a first night stops where half of them cannot be used


def yaml_of(draft: Draft) -> str:
    """The configuration's text."""
    sections = (_head, _source, _grid, _groups, _targets, _quality, _output)
    return "\n".join(text for section in sections for text in section(draft)) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    place, table = draft.place, draft.table
    seen = "all" if len(table.rows) >= table.total else f"{len(table.rows):,} of about"
    yield from comment(
        f"{place.city}: written by `hexcast init` on {draft.now:%Y-%m-%d} after a look at {seen} "
        f"{table.total:,} rows. Look at the lines that begin with a doubt; everything may be "
        "changed until the first night."
    )
    yield "#"
    for number, command in enumerate(draft.commands):
        yield f"# {'next:  ' if number == 0 else '       '}{command}"
    if draft.judged:
        yield "#"
        yield from comment(_kept(draft))
    yield from doubts(draft.doubts)
    yield from line(0, "name", draft.name)
    yield from line(0, "timezone", place.timezone, "where the incidents lie")
    yield f'cutoff: "{CUTOFF:%H:%M}"  # local clock at which a night\'s forecast begins'
    yield ""


def _kept(draft: Draft) -> str:
    assert draft.judged is not None
    why = ", ".join(f"{share:.2%} {reason}" for reason, share in draft.judged.reasons.items())
    rest = f"; quarantined are: {why}" if why else ""
    return f"Of {draft.judged.rows:,} rows tried, {draft.judged.kept:.2%} can be used{rest}."


def _source(draft: Draft) -> Iterator[str]:
    table, times = draft.table, draft.times
    yield "source:"
    yield from (text for note in table.notes for text in comment(note, 2))
    yield from line(2, "path", draft.paths[0] if len(draft.paths) == 1 else draft.paths)
    if table.format and "://" not in table.paths[0]:
        yield from line(2, "format", table.format)
    if table.delimiter != ",":
        yield from line(2, "delimiter", table.delimiter)
    yield from line(
        2, "delivers", "incremental", "`snapshot`: what a delivery lacks was deleted by the source"
    )
    if renamed := used_renames(draft):
        yield "  renamed:  # in some files -> in the others"
        for old, new in renamed.items():
            yield from line(4, old, new)
    yield from _start(draft)
    yield from line(2, "date_formats", list(times.formats), draft.clock)
    if draft.place.is_projected:
        yield from line(2, "crs", draft.place.crs, draft.place.why)
    yield from _lag(draft)
    if times.until:
        yield from comment("aoristic: true  would draw the hour evenly from the window", 2)
    if draft.taken_back:
        yield from line(2, "retracted", list(draft.taken_back.texts), draft.taken_back.why)
    yield "  columns:"
    yield from _columns(draft, mapped_columns(draft))
    yield ""


def used_renames(draft: Draft) -> dict[str, str]:
    """Renamed columns that the configuration reads."""
    read = set(column_names(list(mapped_columns(draft).values())))
    return {old: new for old, new in draft.table.renamed.items() if new in read}


def _start(draft: Draft) -> Iterator[str]:
    span = draft.span
    early = f"; {span.before:.2%} of the rows are older" if span.before > 0 else ""
    why = f"dense from here to {span.last}, about {span.per_day:,.0f} a day{early}"
    yield from doubts(draft.doubts_of_span, 2)
    yield f"  start: {span.start}  # {why}"


def _lag(draft: Draft) -> Iterator[str]:
    reported, days = draft.times.reported, draft.lag_days
    if reported and reported.reading.clock:
        return
    if reported:
        why = f"{reported.name} has no time of the day: a report counts when its day is over"
        yield from line(2, "delivery_lag_days", days, why)
        return
    yield from doubts(draft.doubts_of_lag, 2)
    yield from line(2, "delivery_lag_days", days)


def _columns(draft: Draft, columns: dict[str, object]) -> Iterator[str]:
    keys, times = draft.keys, draft.times
    yield from doubts([keys.doubt] if keys.doubt else [], 4)
    whys = {
        "key": keys.why,
        "occurred_at": _clock(times.occurred),
        "occurred_until": _window(times.occurred, times.until) if times.until else "",
        "reported_at": _delay(times.occurred, times.reported) if times.reported else "",
        "category": draft.category.why,
        "district": draft.district.why if draft.district else "",
        "arrest": draft.arrest.why if draft.arrest else "",
        "revised_at": "orders the revisions of a key",
        "status": f"{draft.taken_back.share:.2%} are taken back" if draft.taken_back else "",
    }
    if draft.place.is_projected:
        whys["x"] = f"{draft.place.share:.1%} usable"
    else:
        whys["latitude"] = f"{draft.place.share:.1%} usable"
    for name, value in columns.items():
        if name == "occurred_at":
            yield from doubts(times.doubts, 4)
        if name == "category" and draft.category.doubt:
            yield from doubts([draft.category.doubt], 4)
        if name in ("latitude", "x"):
            yield from doubts(draft.place.doubts, 4)
        yield from line(4, name, value, whys.get(name, ""))
    yield from _unused(draft, keys)


def _unused(draft: Draft, keys: Keys) -> Iterator[str]:
    for name, why in draft.times.unused.items():
        yield from comment(f"not used: {name}: {why}", 4)
    for clock in draft.times.revised:
        if keys.revised is None or clock.columns != keys.revised.columns:
            yield from comment(
                f"not used: {clock.name} as revised_at: rows do not repeat their key with later "
                "times, so that it only says when a row was written last",
                4,
            )
    if draft.persons:
        named = ", ".join(draft.persons[:8]) + (" ..." if len(draft.persons) > 8 else "")
        yield from comment(f"never read, for they are about persons: {named}", 4)


def _clock(clock: Clock) -> str:
    return f"{clock.read:.1%} of the rows can be read"


def _window(first: Clock, last: Clock) -> str:
    length = (last.times - first.times).dt.total_seconds()
    hours = length[length > 0].median() / 3600
    return f"filled in {last.read:.0%} of the rows; half of the windows are over {hours:.1f} h"


def _delay(first: Clock, reported: Clock) -> str:
    delay = (reported.times - first.times).dropna().dt.total_seconds() / 3600
    return f"half within {delay.median():.1f} h, nine of ten within {delay.quantile(0.9):,.0f} h"


def _grid(draft: Draft) -> Iterator[str]:
    yield "grid:"
    if draft.resolution != 9:
        why = "the place is large: 9 would make more than 30,000 cells"
        yield from line(2, "resolution", draft.resolution, why)
    if draft.boundary:
        path = shown_path(str(draft.boundary.path), draft.out)
        yield from line(
            2, "boundary", path, f"{draft.boundary.share:.1%} of the incidents lie within"
        )
    else:
        why = "where incidents happen; better: boundary, a file with the city's outline"
        yield from line(2, "bounds", list(draft.place.bounds), why)
    yield ""


def _groups(draft: Draft) -> Iterator[str]:
    found = draft.groups
    yield from comment(
        "A first sorting by names, with rows looked at: move lines as you see fit. What no group "
        f"names is `{OTHER}`."
    )
    named = [group for group in GROUPS if found.groups[group]]
    yield "groups:" if named else "groups: {}"
    for group in named:
        why = _MEANING.get(group, "")
        yield f"  {group}:" + (f"  # {why}" if why else "")
        yield "    categories:"
        for name in found.groups[group]:
            yield f"      - {scalar(name)}  # {found.rows[name]:,}"
    rest = (*found.other, *found.unknown)
    if rest:
        yield from comment(f"{OTHER}: {found.count(OTHER):,} rows", 2)
        yield from _listed(rest, found.rows, set(found.unknown))
    yield ""


def _listed(names: Sequence[str], rows: Mapping[str, int], unknown: set[str]) -> Iterator[str]:
    for name in names[:_MOST_LISTED]:
        doubt = ", of no known kind" if name in unknown else ""
        yield f"  #   - {scalar(name)}  # {rows[name]:,}{doubt}"
    if len(names) > _MOST_LISTED:
        yield f"  #   and {len(names) - _MOST_LISTED:,} more"


def _targets(draft: Draft) -> Iterator[str]:
    yield "targets:  # sums of groups, each with a forecast of its own"
    for name, groups in draft.groups.targets.items():
        yield from line(2, name, list(groups))
    yield ""


def _quality(draft: Draft) -> Iterator[str]:
    """Limits that the data as they are keep; none where the defaults do."""
    lost = 1 - draft.judged.kept if draft.judged else 0.0
    if lost > _MUCH_LOST:
        yield "quality:"
        why = f"{lost:.0%} of the rows tried cannot be used; a night would stop at half of them"
        yield from line(2, "stop_quarantined", round(min(1.0, lost + 0.15), 2), why)
        yield ""


def _output(draft: Draft) -> Iterator[str]:
    yield "output:"
    yield from line(2, "path", str(Path("var") / draft.name))
