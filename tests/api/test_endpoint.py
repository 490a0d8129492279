"""The address check: what is taken, what is refused, and that nobody reads an accepted address differently."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.api.endpoint import check_endpoint, host_of, is_plain_http
from cmt_lsp.api.errors import BadParamsError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com"),
        ("https://api.anthropic.com/", "https://api.anthropic.com"),
        ("HTTPS://API.Anthropic.COM:443/v1/", "https://api.anthropic.com"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api"),
        ("https://gateway.example:8443/a/b-c_d/", "https://gateway.example:8443/a/b-c_d"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://192.0.2.7:8443", "https://192.0.2.7:8443"),
        ("https://[2001:db8::1]/api", "https://[2001:db8::1]/api"),
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("http://127.9.9.9:80", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost:4010/v1", "http://localhost:4010"),
    ],
)
def test_good_addresses_are_normalised(url: str, expected: str) -> None:
    assert check_endpoint(url) == expected
    assert check_endpoint(expected) == expected


REFUSED = [
    "",
    "api.anthropic.com",
    "https://",
    "https:///path",
    "https:/api.anthropic.com",
    "http://api.anthropic.com",
    "http://0.0.0.0:80",
    "http://10.0.0.1",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://evil.localhost",
    "http://[::ffff:127.0.0.1]",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "javascript://127.0.0.1",
    "https://user@evil.example",
    "https://api.anthropic.com@evil.example",
    "https://api.anthropic.com\\@evil.example",
    "https://api.anthropic.com\\evil.example",
    "https://api.anthropic.com%2f@evil.example",
    "https://api.anthropic.com%00.evil.example",
    "https://api.anthropic.com\t.evil.example",
    "https://api.anthropic.com\n",
    " https://api.anthropic.com",
    "https://api.anthropic.com/ ",
    "https://api.anthropic.com/#x",
    "https://api.anthropic.com#",
    "https://api.anthropic.com?",
    "https://api.anthropic.com/?a=b",
    "https://api.anthropic.com:0",
    "https://api.anthropic.com:99999",
    "https://api.anthropic.com:",
    "https://api.anthropic.com:80:90",
    "https://api.anthropic.com:8x",
    "https://api.anthropic.com/../x",
    "https://api.anthropic.com//x",
    "https://api.anthropic.com/a:b",
    "https://api.anthropic.com/%2e%2e",
    "https://api.anthropic.com.",
    "https://api..anthropic.com",
    "https://-api.anthropic.com",
    "https://api.\u0430nthropic.com",
    "https://api.anthropic\u3002com",
    "https://127.1",
    "https://0x7f000001",
    "https://2130706433",
    "https://0177.0.0.1",
    "https://1.2.3.4.5",
    "https://256.1.1.1",
    "https://[::1",
    "https://[::1%25eth0]",
    "https://[v1.x]",
    "https://[127.0.0.1]",
    "https://a[b]c",
    "https://" + "a" * 64 + ".example",
    "https://" + "a." * 130 + "example",
    "https://host/" + "a" * 2048,
]


@pytest.mark.parametrize("url", REFUSED)
def test_addresses_that_could_mislead_are_refused(url: str) -> None:
    with pytest.raises(BadParamsError, match="The base URL "):
        check_endpoint(url)


def test_a_refusal_does_not_repeat_a_password() -> None:
    with pytest.raises(BadParamsError) as caught:
        check_endpoint("https://me:hunter2@evil.example")

    assert "hunter2" not in str(caught.value) + str(caught.value.hint)


PIECES = st.lists(
    st.sampled_from(
        [
            *"ab01.-_:/@\\[]%?#~ \t\u043e\u3002",
            "https://",
            "http://",
            "localhost",
            "127.0.0.1",
            "::1",
            "0x",
            "..",
        ]
    ),
    max_size=12,
).map("".join)


@given(st.one_of(PIECES, PIECES.map("https://".__add__), PIECES.map("http://".__add__), st.text()))
def test_every_accepted_address_means_the_same_to_all_parsers(url: str) -> None:
    """The host that is shown is the host that the HTTP library would contact."""
    import httpx2

    try:
        endpoint = check_endpoint(url)
    except BadParamsError:
        return
    library = httpx2.URL(endpoint)

    assert check_endpoint(endpoint) == endpoint
    assert library.host == urlsplit(endpoint).hostname
    assert library.netloc.decode() == host_of(endpoint)
    assert httpx2.URL(url).host == library.host
    assert is_plain_http(endpoint) == (library.scheme == "http")
    assert (
        library.scheme == "https" or library.host in ("localhost", "::1") or library.host.startswith("127.")
    )
