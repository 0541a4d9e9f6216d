"""A command line whose commands are imported when they are run, so that `--help` is quick."""

import sys
from importlib import import_module
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

import zkmq
from zkmq import extras


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- typer calls it with the option's value
    if wanted:
        typer.echo(f"zkmq {zkmq.__version__}")
        raise typer.Exit


# The parser's usage errors have no public name in typer, only this one's base.
USAGE_ERROR: Any = typer.BadParameter.__base__
VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Show the release."),
]


class LazyGroup(TyperGroup):
    """Lists its commands by their summaries, and imports a command's module to run it.

    Attributes:
        modules: for each module that has `register(app)`, the commands that this adds: name and
            summary, which is the first line of the docstring. Help lists them in this order.
        extra: what to install if a module lacks a package.
        first: what commands import by themselves, but too late: a deadline already counts then.
    """

    modules: ClassVar[dict[str, dict[str, str]]]
    extra: ClassVar[str]
    first: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for commands in self.modules.values():
            for name, summary in commands.items():
                self.add_command(TyperCommand(name, help=summary))

    def resolve_command(self, *context_and_arguments: Any) -> Any:
        """Return the command that the arguments name, imported, and what follows its name."""
        name, _, rest = super().resolve_command(*context_and_arguments)
        return name, None if name is None else self.load(name), rest

    def load(self, name: str) -> Any:
        """Import a command; end the process with a sentence if its packages are missing."""
        module = next(module for module, commands in self.modules.items() if name in commands)
        app = typer.Typer(callback=_nothing)
        try:
            for each in self.first:
                import_module(each)
            import_module(module).register(app)
        except ModuleNotFoundError as error:
            sys.exit(extras.told(f"{self.name} {name}", error, self.extra))
        command = typer.main.get_group(app).commands[name]
        command.help = flowing(command.help or "")
        return command


def flowing(text: str) -> str:
    """Text whose paragraphs are a line each, so that a terminal of any width breaks them."""
    return "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))


def _nothing() -> None:
    """Stand for what comes before a command: with it, typer makes a group even of one."""
