"""Pages: a value that is missing is an error, never an empty place."""

import pytest
from glomar_runtime.html import render
from jinja2 import UndefinedError


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        render("glomar_runtime.html", "base.html")


def test_a_page_has_the_stylesheet_in_it_and_escapes_its_title() -> None:
    page = render("glomar_runtime.html", "base.html", title="<b>&")
    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert "@media print" in page
