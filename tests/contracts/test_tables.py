"""The guide's tables say what the code says."""

from __future__ import annotations

from tests.contracts.tables import GUIDE, TABLES, written


def test_the_guides_tables_are_those_of_the_code() -> None:
    text = GUIDE.read_text()
    assert all(f"<!-- table: {name} -->" in text for name in TABLES)
    assert written(text) == text, "write them anew: python -m tests.contracts.tables"
