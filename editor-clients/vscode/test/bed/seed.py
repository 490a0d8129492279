"""Sessions put into the transcripts of a workbench at once, where asking for each of their turns would take minutes.

Standard input holds `{"state", "workspace", "sessions": [{"id", "name", "turns": [{"prompt", "text", "thinking"}]}]}`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from cmt_lsp.api.cache.verdict import CacheVerdict
from cmt_lsp.api.models import Cost
from cmt_lsp.api.usage import Usage
from cmt_lsp.core import transcripts
from cmt_lsp.core.records import SessionRecord, TurnRecord
from cmt_lsp.core.storage.store_thread import Store
from cmt_lsp.core.turn import Timing

MODEL = "claude-sonnet-5-5"


def turn(session_id: str, index: int, wanted: dict[str, str]) -> TurnRecord:
    """One settled turn, of equal cost everywhere."""
    thinking, text = wanted.get("thinking"), wanted["text"]
    shown = [{"type": "thinking", "thinking": thinking, "signature": "c2ln"}] if thinking else []
    return TurnRecord(
        id=f"{session_id}-t{index}",
        session_id=session_id,
        seq=index,
        model=MODEL,
        stop_reason="end_turn",
        prompt=({"type": "text", "text": wanted["prompt"]},),
        answer=(*shown, {"type": "text", "text": text}),
        prompt_text=wanted["prompt"],
        text=text,
        in_history=True,
        prefix="0123",
        started_at=time.time() - 60,
        usage=Usage(100, 0, 0, 0, 50, 0, estimated=False),
        cost=Cost(1_000_000, 0, "row", estimated=False),
        cache=CacheVerdict("off", 0, 0, 0.0, None, None),
        timing=Timing(120, 900, 0),
        notices=(),
        message_id="msg",
        request_id="req",
    )


def main() -> None:
    """Write all of them, each in a transaction."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    now = time.time()
    state = Path(wanted["state"])
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(state, transcripts.FILE_NAME, transcripts.SCHEMA, clock=time.time)
    for number, session in enumerate(wanted["sessions"]):
        at = now - len(wanted["sessions"]) + number
        head = SessionRecord(session["id"], session["name"], True, MODEL, None, wanted["workspace"], at, at)
        turns = [turn(session["id"], index, each) for index, each in enumerate(session["turns"])]
        store.write(lambda c, head=head, turns=turns: transcripts.copy_session(c, head, turns)).result(60)
    store.close()


if __name__ == "__main__":
    main()
