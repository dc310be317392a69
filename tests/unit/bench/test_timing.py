"""The table of `make bench`: the spread and the number of runs stand beside each median."""

from __future__ import annotations

from tests.bench.timing import HEADER, Row


def test_a_row_has_the_spread_of_both_and_the_ratio_of_the_medians() -> None:
    row = str(Row("join", [9.0, 11.0, 17.0], [10.0, 12.0, 22.0, 30.0], "≤ 1.0 ×"))
    assert " ".join(row.split()) == "join 9.00 / 11.00 / 17.00 (3) 10.00 / 17.00 / 30.00 (4) 0.65 × ≤ 1.0 ×"
    assert row.index("≤") == HEADER.index("target")


def test_a_row_without_kubeadm_has_no_ratio() -> None:
    row = str(Row("init again", [1.0]))
    assert " ".join(row.split()) == "init again 1.00 / 1.00 / 1.00 (1) –"
