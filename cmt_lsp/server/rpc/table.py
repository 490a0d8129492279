"""The table of operations: each row is one request and one command, with the same types and the same errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import attrs

from cmt_lsp.server.rpc.convert import BadValueError, kind_of, wire_converter
from cmt_lsp.server.rpc.messages import MessageId

if TYPE_CHECKING:
    from cmt_lsp.server.rpc.peer import Peer

Token = str | int

_TOKENS = ("partialResultToken", "workDoneToken")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, through which door, and where progress may be reported while the request is open."""

    door: Literal["request", "command"]
    request_id: MessageId
    partial_result_token: Token | None
    work_done_token: Token | None
    peer: Peer


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: `run` gets the caller and the decoded params, and what it returns is the answer.

    Cancelling cancels the task that `run` is in; a result returned all the same is sent as the answer.
    """

    method: str
    """As a request, `cmt/session/create`; as a command, `cmt.session.create`."""
    params: type
    """An attrs class of the wire contract."""
    result: Any
    """What `run` returns: an attrs class, or None."""
    run: Callable[[Caller, Any], Awaitable[Any]]


class OperationTable:
    """Finds rows by method and by command, and decodes what they are given.

    The rows are loaded when the first one is asked for: their types take longer to import than everything else that
    has to be there before `initialize` can be answered, which needs no more than the names.
    """

    def __init__(self, methods: Sequence[str], load: Callable[[], Iterable[Operation]]) -> None:
        """`load` gives one row for each of `methods`, in their order; anything else is a ValueError at that time."""
        self._commands = {method.replace("/", "."): method for method in methods}
        if len(self._commands) != len(methods):
            raise ValueError("two operations share a name")
        self._load = load
        self.converter = wire_converter()

    @property
    def commands(self) -> list[str]:
        """Every command, in the order of the table."""
        return list(self._commands)

    @cached_property
    def rows(self) -> Mapping[str, Operation]:
        """Every row by its method."""
        rows = {row.method: row for row in self._load()}
        if list(rows) != list(self._commands.values()):
            raise ValueError("the rows are not those that were announced")
        return rows

    def method(self, name: str) -> Operation | None:
        """The row that serves a request."""
        return self.rows.get(name) if name in self._commands.values() else None

    def command(self, name: str) -> Operation | None:
        """The row that serves a command."""
        method = self._commands.get(name)
        return None if method is None else self.rows[method]

    def decode(self, row: Operation, given: object) -> tuple[Any, Token | None, Token | None]:
        """Params, partial-result token and work-done token; raises `BadValueError` with the place.

        Absent params are an empty object. The two tokens belong to LSP, so any operation may be given them.
        """
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise BadValueError(f"must be an object, not {kind_of(given)}")
        partial, work_done = (self.token(given, name) for name in _TOKENS)
        return (
            self.converter.structure(_without_spare_tokens(row.params, given), row.params),
            partial,
            work_done,
        )

    def decode_command(self, row: Operation, arguments: object) -> tuple[Any, Token | None, Token | None]:
        """As `decode`, from the arguments of a command: none, or one object."""
        if arguments is None:
            arguments = []
        if not isinstance(arguments, list):
            raise BadValueError(f"must be an array, not {kind_of(arguments)}", ".arguments")
        if len(arguments) > 1:
            raise BadValueError(f"must hold at most one object, not {len(arguments)} values", ".arguments")
        try:
            return self.decode(row, arguments[0] if arguments else None)
        except BadValueError as error:
            raise error.below(".arguments[0]") from None

    def token(self, given: Mapping[str, Any], name: str) -> Token | None:
        """A progress token among `given`, None where there is none; raises `BadValueError`."""
        try:
            token: Token | None = self.converter.structure(given.get(name), Token | None)  # type: ignore[arg-type]
        except BadValueError as error:
            raise error.below(f".{name}") from None
        return token


def _without_spare_tokens(params: type, given: dict[str, Any]) -> dict[str, Any]:
    """`given` without the tokens that the class has no field for."""
    declared = {field.name for field in attrs.fields(params)}
    spare = {"partialResultToken": "partial_result_token", "workDoneToken": "work_done_token"}
    return {key: value for key, value in given.items() if spare.get(key, key) in declared or key not in spare}
