"""The documentation as a site: ``make docs``."""

import re
import tomllib
from pathlib import Path

import semwave

ROOT = Path(__file__).parents[1]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]

project, author, copyright = "semwave", "The semwave maintainers", "2026, the semwave maintainers"
version = release = semwave.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"semwave {version}"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
exclude_patterns = ["results"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# "make docs" has it run, so that its pictures stand in the page.
nb_execution_mode = "off"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
# Pages link to what is beside docs/ as a reader of the repository finds it.
myst_url_schemes = ["http", "https", "mailto"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_custom_sections = [("Arguments", "params_style")]
suppress_warnings = ["myst.strikethrough"]


def _drawings_as_they_are(app, what, name, obj, options, lines):
    """Have drawings and tables of a docstring stand as they do in the source: in blocks that are literal."""
    out, literal = [], False
    for i, line in enumerate(lines):
        drawn = what == "module" and bool(re.match(r"    \S|\|", line))
        if drawn and not literal and not (i and lines[i - 1].rstrip().endswith("::")):
            out += ["", ".. code-block:: text", ""]
        literal = drawn or (literal and (not line.strip() or line.startswith(" ")))
        shown = "    " + line if drawn and line.startswith("|") else line
        # |h| is a magnitude here, not a substitution.
        out.append(shown if literal or ">>>" in line else shown.replace("|", r"\|"))
    lines[:] = [*out, ""]


def _links_out_of_docs(app, docname, source):
    """Send links to files beside docs/ to the repository, where they are."""
    source[0] = re.sub(r"\]\(((?:\.\./)+)([^)]+)\)", rf"]({REPOSITORY}/blob/main/\2)", source[0])


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", _drawings_as_they_are)
    app.connect("source-read", _links_out_of_docs)
