"""What Anthropic's API is: client, prices, token counts, caching, images and every failure as a typed error.

Names are imported at first use, so that `import cmt_lsp.api` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take this name as true; importing typing would cost 7 ms
if TYPE_CHECKING:
    from typing import Any

    from cmt_lsp.api.anthropic_client import AnthropicClient, StreamChunk
    from cmt_lsp.api.cache_manager import CacheManager
    from cmt_lsp.api.errors import (
        AuthError,
        BadImageError,
        BadParamsError,
        BlockedFileError,
        CmtError,
        ContextTooLargeError,
        InternalError,
        InvalidRequestError,
        MissingKeyError,
        ModelNotFoundError,
        NetworkError,
        OverloadedError,
        PaymentError,
        PermissionDeniedError,
        RateLimitedError,
        SessionBusyError,
        StalledError,
        StoreUnavailableError,
        UnknownSessionError,
        UnknownTurnError,
        UpstreamTimeoutError,
    )
    from cmt_lsp.api.models import MODEL_PRICING
    from cmt_lsp.api.token_tracker import SessionTokenUsage, TokenTracker
    from cmt_lsp.api.token_usage import TokenUsage
    from cmt_lsp.api.vision_handler import ImageContent, VisionHandler

__all__ = [
    "MODEL_PRICING",
    "AnthropicClient",
    "AuthError",
    "BadImageError",
    "BadParamsError",
    "BlockedFileError",
    "CacheManager",
    "CmtError",
    "ContextTooLargeError",
    "ImageContent",
    "InternalError",
    "InvalidRequestError",
    "MissingKeyError",
    "ModelNotFoundError",
    "NetworkError",
    "OverloadedError",
    "PaymentError",
    "PermissionDeniedError",
    "RateLimitedError",
    "SessionBusyError",
    "SessionTokenUsage",
    "StalledError",
    "StoreUnavailableError",
    "StreamChunk",
    "TokenTracker",
    "TokenUsage",
    "UnknownSessionError",
    "UnknownTurnError",
    "UpstreamTimeoutError",
    "VisionHandler",
]

_HOMES = {
    "MODEL_PRICING": "models",
    "AnthropicClient": "anthropic_client",
    "StreamChunk": "anthropic_client",
    "CacheManager": "cache_manager",
    "TokenUsage": "token_usage",
    "SessionTokenUsage": "token_tracker",
    "TokenTracker": "token_tracker",
    "ImageContent": "vision_handler",
    "VisionHandler": "vision_handler",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name when the name is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
