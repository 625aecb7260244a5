"""The doctor's findings in a terminal: a sign, the check, what it found, and the fix below."""

from __future__ import annotations

from collections.abc import Sequence

from ..doctor.finding import Finding, Status
from .clean import clean, plural

SIGNS = {Status.OK: "✓", Status.WARNING: "!", Status.FAILED: "✗", Status.SKIPPED: "-"}


def line(finding: Finding) -> str:
    told = f"{SIGNS[finding.status]} {finding.check:<17} {clean(finding.says)}"
    return told + (f"\n    fix: {clean(finding.fix)}" if finding.fix else "")


def summary(findings: Sequence[Finding]) -> str:
    wrong = sum(1 for finding in findings if finding.status is Status.FAILED)
    odd = sum(1 for finding in findings if finding.status is Status.WARNING)
    if not wrong and not odd:
        return f"All {plural(len(findings), 'check')} are well."
    return f"{plural(wrong, 'fault')}, {plural(odd, 'warning')} in {plural(len(findings), 'check')}."


__all__ = ["SIGNS", "line", "summary"]
