"""HTML pages: one template environment, one base page and one stylesheet for every package."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def render(package: str, template: str, **values: object) -> str:
    """-> one HTML file that loads no other file and runs no script. Every value is escaped.

    package: import name of the package whose folder `templates` has the template. A template extends
    `base.html`, which expects `title`, and may import the macros of `table.html`.
    """
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    loaders = [PackageLoader(each, "templates") for each in (package, "glomar_runtime.html")]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
