"""The shapes of secrets, as data: what must occur in a text before an expression is tried, and the expression.

Every repetition is bounded or possessive, and what may stand before a token keeps an expression from starting in the
middle of one, so that hostile text costs no more than plain text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from cmt_lsp.core.guard.entropy import bits_per_character, is_stand_in, looks_random

Check = Callable[[str, re.Match[str]], bool]
"""Gets the secret as it stands in the text, and the match."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of secret; the expression names the secret part `secret`, and its known beginning `head` if any."""

    kind: str
    needles: tuple[str, ...]
    """Plain texts, in lower case where the expression ignores case. The expression is tried where one of them stands: a
    search for a plain text costs a hundredth of one for an expression."""
    expression: str
    check: Check | None = None
    any_case: bool = False
    before: tuple[int, ...] = (0,)
    """How many characters of a match stand before the needle."""

    def compiled(self) -> re.Pattern[str]:
        """The expression; `re` keeps it."""
        return re.compile(self.expression)

    def confirms(self, secret: str, match: re.Match[str]) -> bool:
        """Whether a match is what it looks like."""
        return self.check is None or self.check(secret, match)

    def head(self, match: re.Match[str]) -> str:
        """The part of the secret that everybody knows."""
        return match.groupdict().get("head") or ""


def _token(kind: str, head: str, body: str, *needles: str, check: Check | None = None) -> Pattern:
    """A secret that begins with a known word; `head` and `body` are expressions."""
    found = needles or (head.replace("\\", ""),)
    expression = rf"(?<![A-Za-z0-9_-])(?P<secret>(?P<head>{head}){body})"
    return Pattern(kind, found, expression, check)


def _is_real(secret: str, match: re.Match[str]) -> bool:
    return not is_stand_in(secret)


def _is_varied(secret: str, match: re.Match[str]) -> bool:
    """A row of one letter, or of a few, holds a place in documentation."""
    return bits_per_character(secret) >= 2.5


def _is_jwt(secret: str, match: re.Match[str]) -> bool:
    """A token's head is a JSON object that names its algorithm."""
    head = secret.split(".", 1)[0]
    try:
        named = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(named, dict) and "alg" in named


def _is_basic(secret: str, match: re.Match[str]) -> bool:
    """Name and password with a colon between them, in base64."""
    try:
        user, colon, password = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    return bool(colon and user and len(password) >= 4) and not is_stand_in(password)


def _is_secret_value(secret: str, match: re.Match[str]) -> bool:
    """The value of a name such as `token`: random, since names of names and prose follow such names as well."""
    return looks_random(secret) and not is_stand_in(secret)


def _is_password(secret: str, match: re.Match[str]) -> bool:
    """The value of a name such as `password`: anything that is no word of documentation and no code."""
    if is_stand_in(secret):
        return False
    if match["quote"]:
        return not secret.isalpha() and "%s" not in secret and "{" not in secret
    plain = not any(c in secret for c in "()[]{}.<>|&*$\\")
    return (
        plain and len(secret) >= 8 and any(c.isdigit() for c in secret) and any(c.isalpha() for c in secret)
    )


_HEX, _BASE62 = "[0-9a-f]", "[A-Za-z0-9]"
_END = r"(?![A-Za-z0-9_-])"
_KEYS = tuple(f"{word}{dash}key" for word in ("api", "access", "private", "signing", "encryption", "account", "auth") for dash in ("", "_", "-"))  # fmt: skip
_TO = r"""["'\]]{0,2}[ \t]{0,8}(?::=|=>|=|:)[ \t]{0,8}"""

PATTERNS: tuple[Pattern, ...] = (
    _token("Anthropic key", "sk-ant-", r"[\w-]{16,200}+"),
    _token("OpenRouter key", "sk-or-v1-", rf"{_HEX}{{64}}"),
    _token("OpenAI key", "sk-(?:proj|svcacct|admin)-", r"[\w-]{20,220}+", "sk-proj-", "sk-svcacct-", "sk-admin-"),
    _token("OpenAI key", "sk-", rf"{_BASE62}{{20,48}}{_END}", check=_is_secret_value),
    _token("AWS access key", "(?:AKIA|ASIA|ABIA|ACCA)", rf"[A-Z2-7]{{16}}{_END}", "AKIA", "ASIA", "ABIA", "ACCA", check=_is_varied),
    Pattern("AWS secret key", ("aws_secret", "aws-secret", "awssecret", "aws.secret"), r"aws[_.-]?secret[\w.-]{0,20}+" + _TO + r"""["']?(?P<secret>[a-z0-9/+]{40})(?![a-z0-9/+])""", _is_varied, any_case=True),
    _token("GitHub token", "gh[pousr]_", rf"{_BASE62}{{36,255}}+", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _token("GitHub token", "github_pat_", r"[A-Za-z0-9_]{40,100}+"),
    _token("GitLab token", "gl(?:pat|rt|dt|ptt|cbt|soat|agent|ft|imt)-", r"[\w-]{20,300}+", "glpat-", "glrt-", "gldt-", "glptt-", "glcbt-", "glsoat-", "glagent-", "glft-", "glimt-", check=_is_varied),
    _token("Slack token", "xox[abeoprs]-", r"[A-Za-z0-9-]{20,200}+", "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", check=_is_varied),
    _token("Slack app token", "xapp-", r"\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{32,100}+"),
    Pattern("Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9+/]{40,80}+)", _is_varied),
    _token("Stripe key", "[sr]k_(?:live|test)_", rf"{_BASE62}{{16,250}}+", "sk_live_", "rk_live_", "sk_test_", "rk_test_", check=_is_varied),
    _token("Stripe webhook secret", "whsec_", r"[A-Za-z0-9+/=]{24,100}+", check=_is_varied),
    _token("Google API key", "AIza", rf"[\w-]{{35}}{_END}", check=_is_varied),
    _token("Google OAuth secret", "GOCSPX-", r"[\w-]{28}"),
    _token("Google access token", r"ya29\.", r"[\w-]{20,400}+"),
    Pattern("Google service account", ('"private_key_id"',), rf'''"private_key_id"\s{{0,5}}:\s{{0,5}}"(?P<secret>{_HEX}{{40}})"'''),
    _token("Twilio key", "SK", rf"{_HEX}{{32}}{_END}", check=_is_varied),
    _token("SendGrid key", r"SG\.", r"[\w-]{16,32}\.[\w-]{32,64}+"),
    _token("Mailgun key", "key-", rf"{_HEX}{{32}}{_END}", check=_is_varied),
    Pattern("Mailchimp key", ("-us",), rf"(?<![A-Za-z0-9])(?P<secret>{_HEX}{{32}}-us\d{{1,2}}){_END}", before=(32,)),
    _token("npm token", "npm_", rf"{_BASE62}{{36}}{_END}"),
    _token("PyPI token", "pypi-Ag", r"[\w-]{50,400}+"),
    _token("RubyGems key", "rubygems_", rf"{_HEX}{{48}}"),
    _token("Docker token", "dckr_(?:pat|oat)_", r"[\w-]{20,100}+", "dckr_pat_", "dckr_oat_"),
    _token("DigitalOcean token", "do[opr]_v1_", rf"{_HEX}{{64}}", "doo_v1_", "dop_v1_", "dor_v1_"),
    _token("Heroku key", "HRKU-", r"[\w-]{30,100}+"),
    _token("Cloudflare key", r"v1\.0-", rf"{_HEX}{{24}}-{_HEX}{{100,200}}+"),
    _token("Hugging Face token", "hf_", rf"{_BASE62}{{30,60}}{_END}", check=_is_varied),
    _token("Replicate token", "r8_", rf"{_BASE62}{{37}}{_END}"),
    _token("Groq key", "gsk_", rf"{_BASE62}{{52}}{_END}"),
    _token("Perplexity key", "pplx-", rf"{_BASE62}{{40,60}}{_END}"),
    _token("xAI key", "xai-", rf"{_BASE62}{{60,100}}{_END}"),
    _token("Databricks token", "dapi", rf"{_HEX}{{32}}"),
    Pattern("Telegram bot token", (":AA",), rf"(?<![A-Za-z0-9_-])(?P<secret>\d{{8,10}}:AA[\w-]{{33}}){_END}", before=(8, 9, 10)),
    Pattern("Discord webhook", ("/api/webhooks/",), r"/api/webhooks/\d{10,25}/(?P<secret>[\w-]{50,100}+)"),
    _token("Shopify token", "shp(?:at|ca|pa|ss)_", r"[0-9a-fA-F]{32}", "shpat_", "shpca_", "shppa_", "shpss_"),
    _token("Square token", "sq0(?:atp|csp|idp)-", r"[\w-]{22,50}+", "sq0atp-", "sq0csp-", "sq0idp-"),
    _token("Linear key", "lin_(?:api|oauth)_", rf"{_BASE62}{{32,80}}+", "lin_api_", "lin_oauth_"),
    _token("Notion token", "ntn_", rf"{_BASE62}{{40,60}}+"),
    _token("Figma token", "fig[dou]_", r"[\w-]{36,60}+", "figd_", "figo_", "figu_"),
    _token("Airtable token", "pat", rf"{_BASE62}{{14}}\.{_HEX}{{64}}"),
    _token("Atlassian token", "AT(?:ATT|CTT|BB)3?", r"[\w=-]{28,300}+", "ATATT", "ATCTT", "ATBB", check=_is_secret_value),
    _token("Grafana token", "gl(?:sa|c)_", r"[A-Za-z0-9+/=_]{32,300}+", "glsa_", "glc_", check=_is_varied),
    _token("New Relic key", "NR(?:AK|AL|II|RA)-", r"[A-Za-z0-9]{27,40}+", "NRAK-", "NRAL-", "NRII-", "NRRA-"),
    _token("Sentry token", "sntry[su]_", r"[\w+/=]{40,300}+", "sntrys_", "sntryu_"),
    _token("Postman key", "PMAK-", rf"{_HEX}{{24}}-{_HEX}{{34}}"),
    _token("Vault token", r"hv[sbr]\.", r"[\w-]{24,300}+", "hvs.", "hvb.", "hvr.", check=_is_varied),
    Pattern("Terraform token", (".atlasv1.",), r"(?<![A-Za-z0-9])(?P<secret>[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}+)", before=(14,)),
    _token("Pulumi token", "pul-", rf"{_HEX}{{40}}"),
    _token("Dynatrace token", r"dt0c01\.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _token("Doppler token", r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"[\w.-]{40,80}+", "dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.", check=_is_varied),
    _token("PlanetScale token", "pscale_(?:tkn|pw|oauth)_", r"[\w=.-]{32,64}+", "pscale_tkn_", "pscale_pw_", "pscale_oauth_"),
    _token("Supabase token", "sb(?:p|_secret)_", rf"{_BASE62}[\w-]{{30,60}}+", "sbp_", "sb_secret_", check=_is_varied),
    _token("Netlify token", "nf[pcou]_", rf"{_BASE62}{{36,40}}{_END}", "nfp_", "nfc_", "nfo_", "nfu_"),
    _token("CircleCI token", "CCIP(?:AT|RJ)_", r"[\w-]{20,100}+", "CCIPAT_", "CCIPRJ_"),
    _token("Alibaba access key", "LTAI", rf"{_BASE62}{{17,24}}{_END}", check=_is_varied),
    _token("age secret key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
    Pattern("Azure storage key", ("AccountKey=", "SharedAccessKey="), r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{43,88}={0,2})", _is_varied),
    Pattern("Azure client secret", ("Q~",), r"(?<![\w.~-])(?P<secret>[\w~.-]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])", _is_varied, before=(4,)),
    Pattern("Azure signature", ("?sig=", "&sig="), r"[?&]sig=(?P<secret>[A-Za-z0-9%/+]{40,80}+(?:=|%3D)?)", _is_varied),
    Pattern("private key", ("-----BEGIN ",), r"(?P<secret>-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)(?=[\s\\\"'])"),
    Pattern("private key", ("PuTTY-User-Key-File-",), r"(?P<secret>PuTTY-User-Key-File-\d): "),
    Pattern("web token (JWT)", ("eyJ",), r"(?<![\w.-])(?P<secret>(?P<head>eyJ)[\w-]{8,2000}+\.[\w-]{8,6000}+\.[\w-]{8,2000}+)", _is_jwt),
    Pattern("password in a connection string", (";pwd", ";password", "; password", "; pwd"), r"""; ?(?:pwd|password)\s{0,3}=(?P<secret>[^;\s"']{4,100}+)""", _is_real, any_case=True),
    Pattern("password in a URL", ("://",), r"""://[^\s/:@'"<>]{0,100}+:(?P<secret>[^\s/@'"<>]{4,200}+)@[\w.-]{2}""", _is_real),
    Pattern("bearer token", ("bearer ",), r"""bearer[ \t]{1,5}(?P<secret>[\w.~+/-]{20,2000}+=*+)""", _is_secret_value, any_case=True),
    Pattern("basic authentication", ("basic ",), r"""basic[ \t]{1,5}(?P<secret>[a-z0-9+/]{8,400}+={0,2})""", _is_basic, any_case=True),
    Pattern("netrc password", ("machine ", "machine\t"), r"machine[ \t]{1,9}[^\s]{1,200}+\s{1,9}login\s{1,9}[^\s]{1,100}+\s{1,9}password\s{1,9}(?P<secret>[^\s]{4,200}+)", _is_real),
    Pattern("password", ("passw", "pwd", "passphrase"), rf"""(?:passw(?:or)?d|pwd|passphrase)[\w-]{{0,20}}+{_TO}(?P<quote>["']?)(?P<secret>[^\s"'#,;]{{6,100}}+)(?=["'\s#,;]|$)""", _is_password, any_case=True),
    Pattern("secret", ("secret", "token", "credential", *_KEYS), rf"""(?:secret|token|credential|{'|'.join(_KEYS)})[\w-]{{0,20}}+{_TO}["']?(?P<secret>[a-z0-9+/_.~=-]{{16,300}}+)(?=["'\s#,;&]|$)""", _is_secret_value, any_case=True),
)  # fmt: skip
"""From the most telling to the least: of two that overlap, the first one found names the place."""
