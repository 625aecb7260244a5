"""Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): families of samples as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Sample:
    value: float
    labels: Mapping[str, str] | None = None
    suffix: str = ""
    """What a histogram's parts have behind the family's name: `_bucket`, `_sum`, `_count`."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric: names and units as prometheus.io/docs/practices/naming has them (base units, `_total` for counters)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, help: str, value: float, **labels: str) -> Family:
    return Family(name=name, kind="gauge", help=help, samples=(Sample(value=value, labels=labels),))


def by_label(kind: Literal["counter", "gauge"], name: str, help: str, label: str, of: Mapping[str, float]) -> Family:
    """One sample a value of `label`."""
    samples = tuple(Sample(value=value, labels={label: word}) for word, value in of.items())
    return Family(name=name, kind=kind, help=help, samples=samples)


def histogram(name: str, help: str, bounds: Iterable[float], within: Iterable[int], count: int, total: float) -> Family:
    """`within` says for each bound how many were that much or less."""
    buckets = [
        Sample(value=many, labels={"le": _number(bound)}, suffix="_bucket")
        for bound, many in zip(bounds, within, strict=True)
    ]
    buckets.append(Sample(value=count, labels={"le": "+Inf"}, suffix="_bucket"))
    ends = (Sample(value=total, suffix="_sum"), Sample(value=count, suffix="_count"))
    return Family(name=name, kind="histogram", help=help, samples=(*buckets, *ends))


def text(families: Iterable[Family]) -> str:
    return "".join(line + "\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help, quote=False)}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(word)}"' for name, word in (sample.labels or {}).items())
        yield f"{family.name}{sample.suffix}{'{' + labels + '}' if labels else ''} {_number(sample.value)}"


def _escaped(words: str, quote: bool = True) -> str:
    words = words.replace("\\", "\\\\").replace("\n", "\\n")
    return words.replace('"', '\\"') if quote else words


def _number(value: float) -> str:
    """Whole numbers without a fraction, others as Go's ParseFloat reads them back unchanged."""
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


__all__ = ["CONTENT_TYPE", "Family", "Sample", "by_label", "gauge", "histogram", "text"]
