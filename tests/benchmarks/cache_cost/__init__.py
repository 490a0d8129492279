"""What a prompt's input costs under one way of marking it for the cache or another, on generated workloads.

Nine kinds of chats are replayed turn by turn on a clock that only counts, and priced by a strict model of the endpoint's
cache. Answers cost the same whatever is marked, so that they are left out. The last ratio is to the best that any
placement of marks could have done that knew the future; no rule that does not know it can reach that.
"""

from __future__ import annotations

from .figure import measure

__all__ = ["measure"]
