"""The address of the endpoint: parsed once, and refused where two parsers could read it differently."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from cmt_lsp.api.errors import BadParamsError

DEFAULT_ENDPOINT = "https://api.anthropic.com"

_LONGEST_URL = 2048
_PLAIN = re.compile(r"[A-Za-z0-9._~:/\[\]-]+\Z")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"[0-9]+\Z|0x[0-9a-f]*\Z")


def check_endpoint(url: str) -> str:
    """The normalised base URL: scheme, host, port where it is not the usual one, path without a slash at its end.

    https everywhere; http for `localhost` and loopback addresses only. A path may follow (gateways use one) and a
    `/v1` at its end is dropped, because it is added to every request. Names are ASCII; international ones are
    written in their xn-- form, so that what is shown is what is contacted.

    Raises BadParamsError, which names the fault and does not repeat the URL (it may hold a password).
    """
    if not url:
        raise _refused("is empty")
    if len(url) > _LONGEST_URL:
        raise _refused(f"is longer than {_LONGEST_URL} characters")
    if not url.isascii():
        raise _refused(
            "holds characters that are not ASCII; write an international host name in its xn-- form"
        )
    if "@" in url:
        raise _refused("holds a user name or password; put the key where keys belong")
    if "?" in url or "#" in url:
        raise _refused("holds a query or a fragment")
    scheme, colon, rest = url.partition("://")
    if not colon or not _PLAIN.match(rest) or not rest.isascii():
        raise _refused("is not of the form https://host/path")
    return _normalised(scheme.lower(), url)


def host_of(endpoint: str) -> str:
    """The host of a checked endpoint, with its port where it has one, for messages."""
    return urlsplit(endpoint).netloc


def is_plain_http(endpoint: str) -> bool:
    """True for a checked endpoint that needs no TLS, which is always on this machine."""
    return endpoint.startswith("http://")


def _normalised(scheme: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("has a host or port that cannot be read") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise _refused("has a port that cannot be read")
    literal = _checked_host(host, bracketed="[" in parts.netloc)
    if scheme not in ("https", "http"):
        raise _refused("is not https")
    if scheme == "http" and not _is_loopback(host):
        raise _refused("is not https; plain http is for servers on this machine only")
    usual = {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{literal}{'' if port in (None, usual) else f':{port}'}{_checked_path(parts.path)}"


def _checked_host(host: str, *, bracketed: bool) -> str:
    """The host as it stands in a URL; raises where resolvers could take it for something else."""
    if bracketed:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise _refused("has a host that is no IPv6 address") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise _refused("has a host that is no valid name")
    if _NUMBER.match(labels[-1]):  # "127.1", "0x7f000001" and "2130706433" are addresses to some resolvers
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _refused("has a host that is no plain IPv4 address") from None
    return host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_path(path: str) -> str:
    if any(c in path for c in "[]:~") or "//" in path:
        raise _refused("has a path with unusual characters")
    if {".", ".."} & set(path.split("/")):
        raise _refused("has a path with dots for steps")
    return path.rstrip("/").removesuffix("/v1")


def _refused(fault: str) -> BadParamsError:
    return BadParamsError(
        f"The base URL {fault}.", hint=f"For example {DEFAULT_ENDPOINT} or http://127.0.0.1:11434."
    )
