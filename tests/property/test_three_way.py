"""Whatever the documents hold: what nobody changed stays, and what one side changed is what that side made of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.patches.three_way import put_over, three_way, without_served

_NAMES = st.sampled_from(["name", "image", "args", "spec", "ports", "type", "x"])
_SCALARS = st.sampled_from([None, False, True, *range(-2, 3), "", "a", "--a=1", "--a=2", "--b"])
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)
_DOCUMENTS = st.dictionaries(_NAMES, _VALUES, max_size=5)


@given(_DOCUMENTS, _DOCUMENTS)
def test_the_users_change_is_kept_where_we_change_nothing(base: Any, live: Any) -> None:
    merged = three_way(base, live, base)
    assert (merged.value, merged.conflicts) == (live, ())


@given(_DOCUMENTS, _DOCUMENTS)
def test_our_change_is_taken_where_the_user_changed_nothing(base: Any, wanted: Any) -> None:
    merged = three_way(base, base, wanted)
    assert (merged.value, merged.conflicts) == (wanted, ())


@given(_DOCUMENTS, _DOCUMENTS)
def test_the_same_change_on_both_sides_is_no_conflict(base: Any, both: Any) -> None:
    merged = three_way(base, both, both)
    assert (merged.value, merged.conflicts) == (both, ())


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_what_is_merged_stays_so(base: Any, live: Any, wanted: Any) -> None:
    """A second run, for which what was wanted is what was written last."""
    once = three_way(base, live, wanted)
    again = three_way(wanted, once.value, wanted)
    assert (again.value, again.conflicts) == (once.value, ())


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_fields_of_each_side_alone_are_all_there(base: Any, live: Any, wanted: Any) -> None:
    merged = three_way(base, live, wanted).value
    for name in (live.keys() | wanted.keys()) - base.keys():
        assert name in merged
    for name in base.keys() - live.keys() - wanted.keys():
        assert name not in merged


@given(_DOCUMENTS)
def test_a_document_that_nobody_filled_in_stays_as_it_is(document: Any) -> None:
    assert without_served(document, document) == document


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_where_one_side_wins_all_of_its_changes_are_there(base: Any, live: Any, wanted: Any) -> None:
    found = put_over(base, live, wanted)
    assert put_over(base, found, wanted) == found
    for name, value in wanted.items():
        if name not in base and not isinstance(value, dict | list):
            assert found[name] == value
