"""The order of versions, and the tables that are made from it."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holo_infra.model.services.versions import LATEST, VERSIONS, Version, by_version

RELEASES = st.lists(st.integers(0, 30), min_size=1, max_size=4)
# In the order that Semantic Versioning 2.0.0 gives them in its section 11, and ours around them.
ORDERED = [
    *("0.3", "0.4", "0.5.0-dev.2", "0.5.0-dev.10", "0.5.0-rc.1", "0.5", "0.5.1", "0.9", "0.10"),
    *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
    *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1", "10.0", "latest"),
]


def test_versions_are_in_the_order_of_their_numbers() -> None:
    shuffled = random.Random(1).sample(ORDERED, len(ORDERED))
    assert [version.text for version in sorted(map(Version, shuffled))] == ORDERED
    for (i, left), (j, right) in itertools.product(enumerate(ORDERED), repeat=2):
        assert (Version(left) < Version(right)) == (i < j)
        assert (Version(left) == Version(right)) == (i == j)


@given(RELEASES, RELEASES)
def test_releases_compare_as_lists_of_numbers(left: list[int], right: list[int]) -> None:
    width = max(len(left), len(right))
    padded = [numbers + [0] * (width - len(numbers)) for numbers in (left, right)]
    versions = [Version(".".join(map(str, numbers))) for numbers in (left, right)]
    assert (versions[0] < versions[1]) == (padded[0] < padded[1])
    assert (versions[0] == versions[1]) == (padded[0] == padded[1])
    assert (hash(versions[0]) == hash(versions[1])) >= (padded[0] == padded[1])
    assert versions[0] < Version("latest")


def test_neither_the_order_of_text_nor_that_of_fractions_is_ours() -> None:
    assert Version("0.9") < Version("0.10")
    assert min("0.10", "0.9") == "0.10"
    assert Version("0.1") != Version("0.10")


def test_latest_is_the_newest_and_stands_for_a_version_that_is_known() -> None:
    assert max(map(Version, VERSIONS)) == Version("latest")
    assert Version("latest") != Version(LATEST)
    assert Version("latest").resolved == Version(LATEST)
    assert Version("0.4").resolved == Version("0.4")
    known = [Version(version) for version in VERSIONS if version != "latest"]
    assert max(known) == Version(LATEST)


@pytest.mark.parametrize(
    "text", ["", "v0.5", "0.5.", ".5", "0..5", "0.5 ", "0.5\n", "Latest", "0.5-", "0.5-a..b", "٣"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        Version(text)


def test_a_version_is_compared_with_versions_only() -> None:
    assert Version("0.5") != "0.5"
    with pytest.raises(TypeError):
        assert Version("0.5") < "0.6"  # type: ignore[operator]


def test_a_table_gives_each_version_what_holds_since_before_it() -> None:
    made = by_version({"0.5": "new", "0.3": "old"})
    assert made == {"0.3": "old", "0.4": "old", "0.5": "new", "latest": "new"}
    assert by_version({"0.1": 1, "0.10": 2}) == dict.fromkeys(VERSIONS, 1)
    assert by_version({"0.3": 1, "0.4": 2, "latest": 3})["latest"] == 2


def test_a_table_that_begins_too_late_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no value for version 0\.3"):
        by_version({"0.4": 1})
