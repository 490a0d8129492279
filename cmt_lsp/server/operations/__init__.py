"""Everything an editor can ask for: the names here, the rows in `rows.py`, a module for each group of them."""

from __future__ import annotations

METHODS = (
    "cmt/chat",
    "cmt/cancel",
    "cmt/retry",
    "cmt/preview",
    "cmt/compare",
    "cmt/compare/choose",
    "cmt/predict",
    "cmt/session/create",
    "cmt/session/list",
    "cmt/session/get",
    "cmt/session/update",
    "cmt/session/fork",
    "cmt/session/clear",
    "cmt/session/delete",
    "cmt/session/export",
    "cmt/budget/get",
    "cmt/budget/set",
    "cmt/usage",
    "cmt/cache/stats",
    "cmt/cache/advice",
    "cmt/cache/warm",
    "cmt/batch/submit",
    "cmt/batch/list",
    "cmt/batch/status",
    "cmt/batch/results",
    "cmt/batch/cancel",
    "cmt/screenshot/take",
    "cmt/image/clipboard",
    "cmt/models",
    "cmt/auth/set",
    "cmt/auth/status",
    "cmt/doctor",
)
"""All that `initialize` has to know; what stands behind the names is imported once it is answered."""
