"""What the report and the dashboard have in common: the templates and files of a page lie beside its code."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined


def asset(package: str, name: str) -> str:
    """The text of a file that lies in a package: a style, a script."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def templates_of(package: str) -> Environment:
    """The templates of a package: they escape whatever they are given, and fail where a value is missing."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
