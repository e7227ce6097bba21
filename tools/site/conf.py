"""What Sphinx is told: see build.py, which gathers the pages and starts it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import dnilab  # noqa: E402
from tools.site.pages import home  # noqa: E402

project = html_title = "dnilab"
author = "The dnilab authors"
project_copyright = "The dnilab authors. Code: BSD-3-Clause. Notebooks: CC BY 4.0"
version = release = dnilab.__version__

extensions = [
    "myst_nb",  # pages out of Markdown and notebooks
    "sphinx.ext.autodoc",  # and out of docstrings
    "sphinx.ext.linkcode",  # from there to the code
    "tools.site.pages",
]
nb_execution_mode = "off"  # the notebooks are committed with their outputs
nb_render_markdown_format = "myst"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3  # docs/scaling.md#a-class
suppress_warnings = ["myst.header"]  # the levels of a notebook's headings are its author's

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 70

# MathJax comes with the site, in the parts that are needed.  For screen readers there is MathML
# beside each formula; none is a stop for the Tab key.  In a narrow window a long
# formula scrolls within its line: broken into pieces it can't be read.
mathjax_path = "mathjax/startup.js"
mathjax4_config = {
    "loader": {
        "load": ["input/tex", "output/chtml", "a11y/assistive-mml"],
        "paths": {"mathjax-newcm": "[mathjax]/font"},
    },
    "output": {"displayOverflow": "scroll"},
}
mathjax_config_path = "mathjax.js"

html_theme = "sphinx_book_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False  # the notebooks are there as they are: that is what one downloads
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_scaled_image_link = False
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark: what the visitor's system says
html_sidebars = {"search": ["navbar-logo.html", "sbt-sidebar-nav.html"]}  # it has its own box
html_theme_options = {
    "navbar_persistent": [],  # it has a second search box and nothing else
    "navigation_with_keys": False,
    "repository_url": home(),
    "show_navbar_depth": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_repository_button": True,
}
