"""Puts what a script measured where a page has figures of it.

<!-- begin: scripts/NAME -->
figures
<!-- end -->
"""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def write(page: str, name: str, text: str) -> None:
    """Put ``text`` where docs/``page`` has figures of ``name``, a script's name and what it was asked for."""
    path = DOCS / page
    begin, end = f"<!-- begin: scripts/{name} -->\n", "<!-- end -->"
    pattern = f"{re.escape(begin)}.*?{end}"
    changed, found = re.subn(pattern, lambda _: f"{begin}{text}{end}", path.read_text(encoding="utf-8"), flags=re.S)
    assert found == 1, f"{path} has no place for {name}"
    path.write_text(changed, encoding="utf-8")
