"""`fxd models` and what it can do."""

from typing import Annotated

import typer

from fxd.usage.options import Home, Json, opened

app = typer.Typer(help="List, show, promote, roll back and compare models.", rich_markup_mode=None)

ModelId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning or end of it.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: Json = False, home: Home = None) -> int | None:
    if context.invoked_subcommand is not None:
        context.find_root().obj = home or context.obj
        return None
    return models_list(context, json, home)


@app.command("list")
def models_list(context: typer.Context, json: Json = False, home: Home = None) -> int:
    """List all models, newest first."""
    from fxd.commands.models import list_models

    _, settings = opened(context, home)
    return list_models(settings, json)


@app.command("show")
def models_show(context: typer.Context, model: ModelId, json: Json = False, home: Home = None) -> int:
    """Tell all about one model."""
    from fxd.commands.models import show_model

    _, settings = opened(context, home)
    return show_model(settings, model, json)


@app.command("promote")
def models_promote(context: typer.Context, model: ModelId, home: Home = None) -> int:
    """Let this model serve from now on."""
    from fxd.commands.models import promote_model

    _, settings = opened(context, home)
    return promote_model(settings, model)


@app.command("rollback")
def models_rollback(context: typer.Context, home: Home = None) -> int:
    """Return to the model that served before."""
    from fxd.commands.models import roll_back

    _, settings = opened(context, home)
    return roll_back(settings)


@app.command("compare")
def models_compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="The model to compare with.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The model in question.")],
    json: Json = False,
    home: Home = None,
) -> int:
    """Compare two models on sounds that neither trained on."""
    from fxd.commands.compare import compare_models

    _, settings = opened(context, home)
    return compare_models(settings, first, second, json)
