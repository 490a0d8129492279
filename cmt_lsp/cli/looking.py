"""Commands that look at what there is: sessions, models, doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmt_lsp.cli.arguments import command, finish

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def _list_sessions(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import list_sessions

    return list_sessions(everywhere=options.all, query=options.query, no_color=options.no_color)


def _show_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import show_session

    return show_session(options.which)


def _export_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import export_session

    return export_session(options.which, options.format)


def _delete_session(options: Namespace) -> int:
    from cmt_lsp.terminal.sessions import delete_session

    return delete_session(options.which)


def _models(options: Namespace) -> int:
    from cmt_lsp.terminal.models import show_models

    return show_models(refresh=options.refresh, no_color=options.no_color)


def _doctor(options: Namespace) -> int:
    from cmt_lsp.terminal.doctor import examine

    return examine(no_color=options.no_color)


def _images(options: Namespace) -> int:
    from cmt_lsp.terminal.images import show_images

    return show_images(
        options.file,
        model=options.model,
        as_json=options.json,
        no_picture=options.no_picture,
        no_color=options.no_color,
    )


def add_sessions(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `sessions`."""
    sessions = command(commands, "sessions", "list, show, export or delete sessions")
    sessions.add_argument("--all", action="store_true", help="of every folder")
    sessions.add_argument("--query", metavar="Q", help="those whose name or text holds Q")
    finish(sessions, _list_sessions)
    verbs = sessions.add_subparsers(title="commands", metavar="COMMAND")
    show = command(verbs, "show", "print questions and answers")
    show.set_defaults(command=_show_session)
    export = command(verbs, "export", "print one document")
    export.add_argument("--format", choices=("markdown", "json"), default="markdown")
    export.set_defaults(command=_export_session)
    delete = command(verbs, "delete", "delete for good")
    delete.set_defaults(command=_delete_session)
    for verb in (show, export, delete):
        verb.add_argument("which", metavar="ID|NAME")


def add_models(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `models`."""
    models = command(commands, "models", "models with prices, limits and lifecycle")
    models.add_argument("--refresh", action="store_true", help="ask the endpoint which it serves (free)")
    finish(models, _models)


def add_doctor(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `doctor`."""
    finish(command(commands, "doctor", "check the installation; costs nothing"), _doctor)


def add_image(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Define `image`."""
    image = command(commands, "image", "what pictures are, and what they cost on each model; sends nothing")
    image.add_argument("file", nargs="+", metavar="FILE")
    image.add_argument("--model", metavar="M", help="the model they would be sent to")
    image.add_argument("--no-picture", action="store_true", help="do not draw them on the terminal")
    image.add_argument("--json", action="store_true", help="print all as JSON")
    finish(image, _images)


LOOKING = (add_sessions, add_models, add_image, add_doctor)
