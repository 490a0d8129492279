"""What the server asks the editor: each question has a future, and is forgotten however it ends."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from cmt_lsp.server.rpc.messages import INTERNAL_ERROR, MessageId, Response, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter


class Questions:
    """The questions that the editor has not answered yet."""

    def __init__(self, converter: Converter, on_withdrawn: Callable[[MessageId], None]) -> None:
        """`converter` makes LSP's results; `on_withdrawn` is told the id of a question that was cancelled."""
        self._converter = converter
        self._on_withdrawn = on_withdrawn
        self._open: dict[MessageId, tuple[str, Future[Any]]] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._open)

    def next_id(self) -> MessageId:
        """An id that no other question has."""
        return f"cmt-{next(self._numbers)}"

    def ask(self, question_id: MessageId, method: str) -> Future[Any]:
        """The future of a question that is about to be sent."""
        future: Future[Any] = Future()
        self._open[question_id] = (method, future)
        future.add_done_callback(partial(self._forget, question_id))
        return future

    def settle(self, response: Response) -> bool:
        """Hand an answer to whoever asked; False when nobody did."""
        method, future = self._open.pop(response.id, ("", None))
        if future is None:
            return False
        try:
            result = self._result(method, response)
        except RpcError as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return True

    def _forget(self, question_id: MessageId, future: Future[Any]) -> None:
        if self._open.pop(question_id, None) and future.cancelled():
            self._on_withdrawn(question_id)

    def _result(self, method: str, response: Response) -> Any:
        if response.error is not None:
            raise _refusal(response.error)
        wanted = types.METHOD_TO_TYPES.get(method, (None, None))[1]
        if wanted is None:
            return response.result
        envelope = {"jsonrpc": "2.0", "id": response.id, "result": response.result}
        try:
            return self._converter.structure(envelope, wanted).result
        except Exception:  # noqa: BLE001 - validators of lsprotocol raise many things
            raise RpcError(INTERNAL_ERROR, f"The editor's answer to {method} is not valid.") from None


def _refusal(error: object) -> RpcError:
    """The editor's error as an exception, whatever it put there."""
    given = error if isinstance(error, dict) else {}
    code, message = given.get("code"), given.get("message")
    return RpcError(
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) else "The editor refused.",
        given.get("data"),
    )
