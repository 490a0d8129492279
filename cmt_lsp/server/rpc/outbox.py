"""All that leaves for the editor: replies, notifications and questions, as JSON on one link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lsprotocol import types

from cmt_lsp.server.rpc.frames import encode_frame
from cmt_lsp.server.rpc.messages import encode_body
from cmt_lsp.server.rpc.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from cattrs import Converter

    from cmt_lsp.server.rpc.messages import MessageId


class Link(Protocol):
    """What is needed of the transport; sizes in bytes, times in seconds."""

    @property
    def backlog(self) -> int: ...

    @property
    def stalled_for(self) -> float: ...

    def send(self, frame: bytes, *, droppable: bool = False) -> None: ...

    def on_drained(self, callback: Callable[[], None]) -> None: ...

    def watch(self, process_id: int) -> None: ...

    def stop(self, reason: str, code: int | None) -> None: ...


class Outbox:
    """Sends to the editor once there is a link; what is sent before that is lost, as there is nobody to read it."""

    def __init__(self, ours: Converter, lsp: Converter) -> None:
        """`ours` writes the types of the contract, `lsp` those of LSP."""
        self.link: Link | None = None
        self.questions = Questions(lsp, self._withdraw)
        self._ours = ours
        self._lsp = lsp

    @property
    def backlog(self) -> int:
        """Bytes that wait for the editor to read."""
        return self.link.backlog if self.link else 0

    @property
    def stalled_for(self) -> float:
        """Seconds since the editor last took anything while something waits; 0 when nothing waits."""
        return self.link.stalled_for if self.link else 0.0

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call once when nothing waits for the editor any more."""
        if self.link is not None:
            self.link.on_drained(callback)

    def send(self, message: dict[str, Any], *, droppable: bool = False) -> None:
        """Send one message, typed values inside it included; raises ValueError or TypeError for what is no JSON."""
        if self.link is not None:
            self.link.send(encode_frame(encode_body(self.to_json(message))), droppable=droppable)

    def notify(self, method: str, params: object = None, *, droppable: bool = False) -> None:
        """Send a notification; droppable ones give way while too much waits for the editor."""
        self.send(self._call(method, params), droppable=droppable)

    def ask(self, method: str, params: object = None, question_id: MessageId | None = None) -> Future[Any]:
        """Ask the editor; the future is forgotten however it ends, and cancelling it tells the editor."""
        question_id = self.questions.next_id() if question_id is None else question_id
        message = self._call(method, params) | {"id": question_id}
        future = self.questions.ask(question_id, method)
        self.send(message)
        return future

    def to_json(self, value: object) -> Any:
        """Plain JSON values of anything that may be sent: our types, LSP's, and lists and dicts of both."""
        if isinstance(value, dict):
            return {key: self.to_json(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.to_json(entry) for entry in value]
        if type(value).__module__ == "lsprotocol.types":
            return self._lsp.unstructure(value)
        return self._ours.unstructure(value)

    def _call(self, method: str, params: object) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        return message

    def _withdraw(self, question_id: MessageId) -> None:
        self.notify(types.CANCEL_REQUEST, {"id": question_id})
