"""What `doctor` found, for programs and as a page to send."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from pykubeadm.commands.doctor.check import LEVELS, Examined
from pykubeadm.commands.doctor.command import Diagnosis

SCHEMA: Final = "pykubeadm.doctor/v1"
_STYLE: Final = """
body {
  font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff
}
h1 { font-size: 1.5rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #d0d7de; padding: .4rem .6rem; text-align: left; vertical-align: top }
td:last-child { overflow-wrap: anywhere }
code { background: #f0f2f4; padding: .1rem .3rem; border-radius: 3px; white-space: pre-wrap; word-break: break-word }
.level { font-weight: 600; white-space: nowrap }
.problem { color: #b42318 } .warning { color: #8a6100 } .unknown { color: #4b5563 } .fine { color: #17693b }
.why { color: #57606a }
"""


def document(found: Diagnosis) -> dict[str, Any]:
    """All of it as a plain document."""
    return {
        "schema": SCHEMA,
        "time": found.at.isoformat(timespec="seconds"),
        "node": found.node,
        "server": found.server,
        "problems": len(found.remarks("problem")),
        "warnings": len(found.remarks("warning")),
        "checks": [
            {
                "name": each.name,
                "level": each.level,
                "why": each.why,
                "remarks": [{"level": remark.level, "found": remark.found, "run": remark.run} for remark in each.remarks],
            }
            for each in found.examined
        ],
    }


def html(found: Diagnosis) -> str:
    """One page that needs nothing else: no script, no picture, nothing from the network."""
    where = " and ".join(filter(None, (found.node, found.server)))
    counts = ", ".join(f"{len(found.remarks(level))} {level}(s)" for level in ("problem", "warning"))
    title = f"pykubeadm doctor: {where}"
    rows = "\n".join(row for level in LEVELS for each in found.examined if each.level == level for row in _rows(each))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{found.at:%Y-%m-%d %H:%M:%S} UTC: {counts}, {len(found.examined)} checks.</p>
<table>
<thead><tr><th>Level</th><th>Check</th><th>What was found, and what to do</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _rows(each: Examined) -> list[str]:
    name = f"<td>{escape(each.name)}</td>"
    if not each.remarks:
        return [f'<tr><td class="level fine">fine</td>{name}<td class="why">{escape(each.why)}</td></tr>']
    return [
        f'<tr><td class="level {remark.level}">{remark.level}</td>{name}<td>{escape(remark.found)}'
        f'<div class="why">{escape(each.why)}</div>'
        + (f"<div><code>{escape(remark.run)}</code></div>" if remark.run else "")
        + "</td></tr>"
        for remark in each.remarks
    ]
