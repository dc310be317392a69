"""What came of a verification, for programs: a document for `-o json`, and JUnit's XML, which continuous integration reads."""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree as ET

from pykubeadm.commands.verify.command import Verification

SCHEMA: Final = "pykubeadm.verify/v1"


def document(found: Verification) -> dict[str, Any]:
    """All of it as a plain document."""
    return {
        "schema": SCHEMA,
        "server": found.server,
        "namespace": found.namespace,
        "seconds": round(found.seconds, 1),
        "passed": found.count("passed"),
        "failed": found.count("failed"),
        "notServed": found.count("not served"),
        "left": found.left,
        "rows": [
            {
                "name": result.row.name,
                "shows": result.row.shows,
                "outcome": result.outcome,
                "seconds": round(result.seconds, 1),
                "said": result.said,
                "evidence": list(result.evidence),
            }
            for result in found.results
        ],
    }


def junit(found: Verification) -> str:
    """A test suite with a case for each row; what is not served is skipped."""
    suite = ET.Element(
        "testsuite",
        name="pykubeadm verify",
        tests=str(len(found.results)),
        failures=str(found.count("failed")),
        skipped=str(found.count("not served")),
        time=f"{found.seconds:.1f}",
    )
    for result in found.results:
        group, _, name = result.row.name.partition("/")
        case = ET.SubElement(suite, "testcase", classname=group, name=name, time=f"{result.seconds:.1f}")
        if result.outcome == "failed":
            failure = ET.SubElement(case, "failure", message=_printable(result.said))
            failure.text = _printable("\n".join(result.evidence))
        elif result.outcome == "not served":
            ET.SubElement(case, "skipped", message=_printable(result.said))
        else:
            ET.SubElement(case, "system-out").text = _printable(result.said)
    if found.left:
        ET.SubElement(suite, "system-err").text = _printable(f"the namespace {found.namespace} is still there: {found.left}")
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _printable(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
