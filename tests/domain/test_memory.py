"""What a process keeps ready: within its bounds, and what is asked for again rather than what isn't."""

from __future__ import annotations

import pytest

from shop.memory import Memory, Version

PAGE = 10_000  # bytes


@pytest.fixture
def full() -> Memory:
    """A memory with as many pages as it holds, each looked at since."""
    memory = Memory(10 * (PAGE + 1_000))
    for number in range(10):
        memory.put(f"page {number}", number, PAGE, version=(1,))
        assert memory.get(f"page {number}", (1,)) == number
    return memory


def kept(memory: Memory, version: Version = (1,)) -> int:
    return sum(memory.get(f"page {number}", version) is not None for number in range(10))


def test_what_nobody_asks_for_twice_pushes_out_nothing(full):
    for number in range(100):
        full.put(f"search {number}", "found", PAGE, version=(1,))

    assert kept(full) == 10


def test_what_is_asked_for_again_takes_the_place_of_the_longest_unused(full):
    for _again in range(2):
        full.put("search", "found", PAGE, version=(1,))

    assert full.get("search", (1,)) == "found"
    assert full.get("page 0", (1,)) is None
    assert kept(full) == 9


def test_pages_of_an_older_catalogue_make_room_at_once(full):
    for number in range(10):
        full.put(f"search {number}", "found", PAGE, version=(2,))

    assert all(full.get(f"search {number}", (2,)) == "found" for number in range(10))
    assert kept(full) == 0


def test_small_things_are_taken_in_at_once_and_all_stays_within_the_bound(full):
    for number in range(1_000):
        full.put(f"variant {number}", "known", 500, version=(1,))

    assert full.get("variant 999", (1,)) == "known"
    assert full.get("variant 0", (1,)) is None
    assert kept(full) == 0


def test_what_is_larger_than_all_of_it_is_not_kept(full):
    for _again in range(3):
        full.put("feed", "long", 1_000_000, version=(1,))

    assert full.get("feed", (1,)) is None
    assert kept(full) == 10
