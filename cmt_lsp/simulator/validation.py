"""Whether the service would take a request: the first thing wrong with it, named by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmt_lsp.simulator.failures import RefusalError, invalid
from cmt_lsp.simulator.images import ImageFacts
from cmt_lsp.simulator.models import SimulatedModel, find_model


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be served: its model, and the facts of its inline images by path."""

    model: SimulatedModel
    images: Mapping[str, ImageFacts]


def check(body: Any, version: str, *, counting: bool = False) -> Checked:
    """Raise RefusalError for the first fault of a request body; `counting` is for the token count endpoint."""
    if not isinstance(body, dict):
        raise invalid("body", "Input should be a valid dictionary")
    if not isinstance(body.get("model"), str):
        raise invalid("model", "Field required")
    model = find_model(body["model"])
    if model is None:
        raise RefusalError(404, f"model: {body['model']}")
    return Checked(model, {})


VERSIONS = ("2023-06-01", "2026-10-21")


def check_leniently(body: Any, *, counting: bool = False) -> Checked:
    """What local servers check: that there are messages."""
    from cmt_lsp.simulator.models import lenient_model

    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise invalid("messages", "Field required")
    return Checked(lenient_model(str(body.get("model"))), {})
