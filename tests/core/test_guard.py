"""What looks like a secret is found and never shown; what does not is left alone; ignore files mean what git means."""

from __future__ import annotations

import base64
import json
import random
import string
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from cmt_lsp.core.context.items import Diagnostic, Diagnostics, NamedText, Selection, WholeFile
from cmt_lsp.core.guard.concern import concerns_of, pieces_of
from cmt_lsp.core.guard.findings import find_secrets
from cmt_lsp.core.guard.ignore import ignored_by, rules_of
from cmt_lsp.core.guard.names import secret_by_name
from cmt_lsp.core.guard.patterns import PATTERNS

RNG = random.Random(4711)
HEX, LOWER, UPPER, DIGITS = "0123456789abcdef", string.ascii_lowercase, string.ascii_uppercase, string.digits
MIXED = string.ascii_letters + DIGITS


def chance(count: int, letters: str = MIXED) -> str:
    """So many letters by chance; a secret is never written down in a test."""
    return "".join(RNG.choices(letters, k=count))


def encoded(text: str) -> str:
    """Base64 for URLs, without its filling."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _web_token() -> str:
    head, body = json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": chance(12), "admin": True})
    return f"{encoded(head)}.{encoded(body)}.{chance(43)}"


_PASSWORD = "Tr0ub4dor" + chance(4, DIGITS)

SECRETS: dict[str, tuple[str, str]] = {
    "Anthropic": ("{}", "sk-ant-api03-" + chance(80)),
    "OpenRouter": ("{}", "sk-or-v1-" + chance(64, HEX)),
    "OpenAI project": ("{}", "sk-proj-" + chance(60)),
    "OpenAI old": ("{}", "sk-" + chance(20) + "T3BlbkFJ" + chance(20)),
    "AWS key": ("{}", "AKIA" + chance(16, UPPER + "234567")),
    "AWS secret": ("aws_secret_access_key = {}", chance(40)),
    "GitHub": ("{}", "ghp_" + chance(36)),
    "GitHub fine-grained": ("{}", "github_pat_" + chance(22) + "_" + chance(59)),
    "GitLab": ("{}", "glpat-" + chance(20)),
    "Slack": ("{}", "xoxb-" + chance(12, DIGITS) + "-" + chance(24)),
    "Slack app": ("{}", "xapp-1-" + chance(11, UPPER) + "-" + chance(13, DIGITS) + "-" + chance(64, HEX)),
    "Slack webhook": ("https://hooks.slack.com/services/{}", f"T{chance(10, UPPER)}/B{chance(10, UPPER)}/{chance(24)}"),
    "Stripe": ("{}", "sk_" + "live_" + chance(24)),
    "Stripe webhook": ("{}", "whsec_" + chance(32)),
    "Google API": ("{}", "AIza" + chance(35)),
    "Google OAuth": ("{}", "GOCSPX-" + chance(28)),
    "Google access": ("{}", "ya29." + chance(60)),
    "Google service account": ('"private_key_id": "{}"', chance(40, HEX)),
    "Twilio": ("{}", "SK" + chance(32, HEX)),
    "SendGrid": ("{}", "SG." + chance(22) + "." + chance(43)),
    "Mailgun": ("{}", "key-" + chance(32, HEX)),
    "Mailchimp": ("{}", chance(32, HEX) + "-us12"),
    "npm": ("//registry.example/:_authToken={}", "npm_" + chance(36)),
    "PyPI": ("{}", "pypi-AgEIcHlwaS5vcmc" + chance(70)),
    "RubyGems": ("{}", "rubygems_" + chance(48, HEX)),
    "Docker": ("{}", "dckr_pat_" + chance(27)),
    "DigitalOcean": ("{}", "dop_v1_" + chance(64, HEX)),
    "Heroku": ("{}", "HRKU-" + chance(36)),
    "Cloudflare": ("{}", "v1.0-" + chance(24, HEX) + "-" + chance(146, HEX)),
    "Hugging Face": ("{}", "hf_" + chance(34)),
    "Replicate": ("{}", "r8_" + chance(37)),
    "Groq": ("{}", "gsk_" + chance(52)),
    "Perplexity": ("{}", "pplx-" + chance(48)),
    "xAI": ("{}", "xai-" + chance(80)),
    "Databricks": ("{}", "dapi" + chance(32, HEX)),
    "Telegram": ("{}", chance(9, "123456789") + ":AA" + chance(33)),
    "Discord webhook": ("https://discord.com/api/webhooks/123456789012345678/{}", chance(68)),
    "Shopify": ("{}", "shpat_" + chance(32, HEX)),
    "Square": ("{}", "sq0atp-" + chance(22)),
    "Linear": ("{}", "lin_api_" + chance(40)),
    "Notion": ("{}", "ntn_" + chance(46)),
    "Figma": ("{}", "figd_" + chance(40)),
    "Airtable": ("{}", "pat" + chance(14) + "." + chance(64, HEX)),
    "Atlassian": ("{}", "ATATT3" + chance(180) + "=" + chance(8, HEX)),
    "Grafana": ("{}", "glsa_" + chance(32) + "_" + chance(8, HEX)),
    "New Relic": ("{}", "NRAK-" + chance(27, UPPER + DIGITS)),
    "Sentry": ("{}", "sntrys_" + chance(60)),
    "Postman": ("{}", "PMAK-" + chance(24, HEX) + "-" + chance(34, HEX)),
    "Vault": ("{}", "hvs." + chance(90)),
    "Terraform": ("{}", chance(14) + ".atlasv1." + chance(67)),
    "Pulumi": ("{}", "pul-" + chance(40, HEX)),
    "Dynatrace": ("{}", "dt0c01." + chance(24, UPPER) + "." + chance(64, UPPER)),
    "Doppler": ("{}", "dp.pt." + chance(43)),
    "PlanetScale": ("{}", "pscale_tkn_" + chance(43)),
    "Supabase": ("{}", "sbp_" + chance(40, HEX)),
    "Netlify": ("{}", "nfp_" + chance(36)),
    "CircleCI": ("{}", "CCIPAT_" + chance(22) + "_" + chance(40, HEX)),
    "Alibaba": ("{}", "LTAI" + chance(20)),
    "age": ("{}", "AGE-SECRET-KEY-1" + chance(58, UPPER + DIGITS)),
    "Azure storage": ("DefaultEndpointsProtocol=https;AccountKey={};", chance(86) + "=="),
    "Azure client": ("{}", chance(3) + "8Q~" + chance(34)),
    "Azure signature": ("https://x.blob.core.windows.net/c?sv=2024&sig={}", chance(43) + "%3D"),
    "RSA key": ("{}\nMIIE", "-----BEGIN RSA " + "PRIVATE KEY-----"),
    "PGP key": ("{}\n", "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----"),
    "PuTTY key": ("{}: ssh-ed25519", "PuTTY-User-Key-File-3"),
    "web token": ("{}", _web_token()),
    "connection string": ("postgresql://app:{}@db.internal:5432/app", _PASSWORD),
    "redis without a user": ("redis://:{}@cache:6379/0", _PASSWORD),
    "ADO.NET": ("Server=db;Database=app;User Id=sa;Password={};", _PASSWORD),
    "URL": ("https://robot:{}@git.internal/x.git", _PASSWORD),
    "bearer": ("Authorization: Bearer {}", chance(40)),
    "basic": ("Authorization: Basic {}", base64.b64encode(f"robot:{_PASSWORD}".encode()).decode()),
    "netrc": ("machine git.internal login robot password {}", _PASSWORD),
    "password in YAML": ("db_password: {}", _PASSWORD),
    "password in code": ('DB_PASSWORD = "{}"', _PASSWORD),
    "password in a shell": ("export PGPASSWORD={}", _PASSWORD),
    "secret in JSON": ('"clientSecret": "{}"', chance(32)),
    "token in the environment": ("DISCORD_TOKEN={}", chance(59)),
    "key in TOML": ("api-key = '{}'", chance(32, HEX)),
}  # fmt: skip
"""By kind: the line it stands in, and the secret."""


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_and_not_shown(kind: str) -> None:
    """At its line, in the midst of plain text; and nothing that is told of it holds it."""
    line, secret = SECRETS[kind]
    text = "plain words\n" * 3 + line.format(secret) + "\nmore of them\n"
    found = find_secrets(text)
    assert [finding.line for finding in found] == [4], found
    assert secret not in str(found) or kind in ("PuTTY key", "RSA key", "PGP key")
    assert sum(char == "." for char in found[0].masked) >= 3
    hidden = found[0].masked.replace("...", "")
    assert len(hidden) <= max(len(secret) / 3, 16)


def test_there_are_fifty_kinds() -> None:
    """The figure that is promised."""
    assert len(SECRETS) >= 50
    assert len({pattern.kind for pattern in PATTERNS}) >= 50


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["PASSWORD"]', "password: ${DB_PASSWORD}", 'password = "changeme"', "API_KEY=<your key>",
        "api_key = settings.api_key_of_the_default_environment", 'token = "xxxxxxxxxxxxxxxxxxxxxxxx"', "password=%s",
        "https://user:password@example.com/", "def password(self, value: str) -> None:", "sk-ant-...", "AKIAAAAAAAAAAAAAAAAA",
        "secret = get_secret('name-of-the-secret-in-the-vault')", "# the token is read from ~/.config/app/token.json",
        "token_type_hint = refresh_token_if_it_is_about_to_expire", "commit 5f2b1e0c9d8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "-----BEGIN PUBLIC KEY-----\nMIIB",
        "-----BEGIN CERTIFICATE-----\nMIIB", "id: 123e4567-e89b-12d3-a456-426614174000", "basic training for beginners",
        "The bearer of good news is a friend of mine who lives elsewhere", "", "\0",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    """Variables, templates, words of documentation, hashes, ids."""
    assert find_secrets(text) == ()


@pytest.mark.campaign
@pytest.mark.timeout(180)
def test_false_alarms_are_few_in_clean_code(
    campaign_size: Callable[[int, int], int],
) -> None:
    """At most two of a hundred files of the standard library, its tests with their passwords included."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts)
    chosen = random.Random(1).sample(files, min(len(files), campaign_size(300, 5000)))
    asked = [path for path in chosen if find_secrets(path.read_text(encoding="utf-8", errors="replace"))]
    print(f"false alarms: {len(asked)} of {len(chosen)} files")
    assert len(asked) <= 0.02 * len(chosen), asked


PLAIN = Path(json.__file__).read_text(encoding="utf-8")
"""Source without a secret."""


@pytest.mark.campaign
@pytest.mark.timeout(400)
def test_hostile_text_costs_no_more_than_plain_text(campaign_size: Callable[[int, int], int]) -> None:
    """5 MB of what each expression waits for take at most ten times what as much plain source takes, measured beside it.

    An expression whose time grew with the square of the text would take thousands of times as long.
    """
    size = campaign_size(500_000, 5_000_000)
    needles = sorted({needle for pattern in PATTERNS for needle in pattern.needles})
    everything = " ".join(needles) + " "
    worst = ["x", "\n", "token", "key=", "://a:", "eyJ ", "sk-", "password=", '"', "a.", everything, "İ"]
    plain = processor_seconds(PLAIN, size)
    for piece in (*worst, *random.Random(3).sample(needles, campaign_size(3, 20))):
        assert processor_seconds(piece, size) < 10 * plain, piece


def processor_seconds(piece: str, size: int) -> float:
    """What it takes to look through so much of a text, repeated."""
    text = piece * (size // len(piece))
    started = time.process_time()
    find_secrets(text)
    return time.process_time() - started


def test_letters_keep_their_places_in_lower_case() -> None:
    """Of all letters one alone becomes longer, and it is known."""
    grown = [chr(code) for code in range(0x110000) if len(chr(code).lower()) != 1]
    assert grown == ["\u0130"]


def test_a_secret_across_the_edge_of_a_window_is_found_once() -> None:
    """Windows of 64 KB: before, at and after the edge, and behind letters that grow in lower case."""
    secret = SECRETS["GitHub"][1]
    for before in (65_500, 65_520, 65_535, 65_536, 65_537, 131_070):
        assert len(find_secrets("x" * (before - 1) + "\n" + secret)) == 1, before
    found = find_secrets("İ" * 70_000 + f'\npassword = "{_PASSWORD}"\n')
    assert [finding.line for finding in found] == [2]


def test_names_that_hold_secrets_are_known() -> None:
    """However cased; samples and public keys are not."""
    for name in (".env", ".ENV", ".env.local", "prod.env", "server.PEM", "id_rsa", ".netrc", "a/credentials", "x.kdbx", ".npmrc",
                 ".pypirc", "kubeconfig", ".kube/config", "my-service-account.json", ".docker/config.json", "terraform.tfstate"):  # fmt: skip
        assert secret_by_name(PurePosixPath("/w") / name), name
    for name in (
        ".env.example",
        ".env.sample",
        "id_rsa.pub",
        "environment.py",
        "config",
        "key.py",
        "credentials/x.py",
        "main.rs",
    ):
        assert secret_by_name(PurePosixPath("/w") / name) is None, name


# --- ignore files


NAMES = ["a", "b", "ab", "a.py", "b.log", "build", "x", "a b", ".env", "foo.txt"]
PATTERN_PARTS = ["*", "?", "[ab]", "**", "*.py", "build", "a", "b", "x", "ab", "*.log", ".env", "a*", "[!a]", "[a-c]*",
                 "\\*", "foo.*", "a b", "*b*", "[]a]", "[\\]a]*", "a**b", "\\a"]  # fmt: skip


def _pattern(rng: random.Random) -> str:
    body = "/".join(rng.choice(PATTERN_PARTS) for _ in range(rng.choice([1, 1, 1, 2, 2, 3])))
    line = rng.choice(["", "", "!"]) + rng.choice(["", "", "/"]) + body + rng.choice(["", "", "/", " "])
    return rng.choice([line, line, line, "# note", ""])


@pytest.mark.campaign
def test_gitignore_files_mean_what_git_means(
    tmp_path: Path, campaign_size: Callable[[int, int], int]
) -> None:
    """Random trees with nested files, negations and git's own exclude list, held against `git check-ignore`."""
    rng = random.Random(7)
    ignored = 0
    for number in range(campaign_size(8, 300)):
        root = tmp_path / str(number)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        for _ in range(40):
            path = root / "/".join(rng.choice(NAMES) for _ in range(rng.randint(1, 4)))
            if not path.exists() and not any(above.is_file() for above in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
        below = [path for path in root.rglob("*") if ".git" not in path.parts]
        folders = [path for path in below if path.is_dir()]
        for folder in [root, *rng.sample(folders, min(2, len(folders)))]:
            (folder / ".gitignore").write_text("\n".join(_pattern(rng) for _ in range(4)) + "\n")
        (root / ".git" / "info" / "exclude").write_text(_pattern(rng) + "\n")
        files = {path.relative_to(root).as_posix() for path in below if path.is_file()}
        asked = subprocess.run(
            ["git", "-C", str(root), "check-ignore", "--no-index", "--stdin", "-z"],
            input="\0".join(sorted(files)), capture_output=True, text=True, check=False,
        )  # fmt: skip
        theirs = {name for name in asked.stdout.split("\0") if name}
        assert {name for name in files if ignored_by(root / name, ())} == theirs, number
        ignored += len(theirs)
    assert ignored > 20


def test_our_own_ignore_file_wins_and_says_where(tmp_path: Path) -> None:
    """`.cmtignore` over `.ignore` over `.gitignore`, without git as well; the place is told."""
    for name, text in (
        (".gitignore", "*.log\n"),
        (".ignore", "!b.log\n*.txt"),
        (".cmtignore", "# mine\n!c.txt\n*.md"),
    ):
        (tmp_path / name).write_text(text)
    places = {
        name: ignored_by(tmp_path / name, [tmp_path])
        for name in ("a.log", "b.log", "b.txt", "c.txt", "d.md", "e.py")
    }
    assert places == {
        "a.log": ".gitignore line 1", "b.log": None, "b.txt": ".ignore line 2", "c.txt": None,
        "d.md": ".cmtignore line 3", "e.py": None,
    }  # fmt: skip
    assert ignored_by(Path("/somewhere/else/a.log"), [tmp_path]) is None


def test_a_linked_working_tree_uses_the_main_ones_exclude_list(tmp_path: Path) -> None:
    """Its `.git` is a file that names another folder."""
    main, linked = tmp_path / "main", tmp_path / "linked"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q", str(main)], check=True)
    subprocess.run([*git, "-C", str(main), "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run(
        [*git, "-C", str(main), "worktree", "add", "-q", str(linked)], check=True, capture_output=True
    )
    (main / ".git" / "info" / "exclude").write_text("notes.md\n")
    assert ignored_by(linked / "notes.md", ()) == "exclude line 1"


def test_a_hostile_ignore_file_costs_nothing(tmp_path: Path) -> None:
    """Many stars against long names, a pipe and a folder of the right name, broken ranges: an answer at once."""
    for line in (
        "*a" * 50 + "b",
        "**/a/" * 50 + "b",
        "[z-a]*",
        "[",
        "a[",
        "[[:alpha:]]",
        "\\",
        "*" * 4000,
        "?" * 300,
    ):
        (tmp_path / ".gitignore").write_text(line + "\n")
        started = time.process_time()
        ignored_by(tmp_path.joinpath(*["a" * 200] * 15), [tmp_path])
        ignored_by(tmp_path.joinpath(*"a" * 1000), [tmp_path])
        assert time.process_time() - started < 1, line
    for path in (tmp_path / ("x" * 5000), tmp_path.joinpath(*["y" * 200] * 100)):
        ignored_by(path, [tmp_path])
    (tmp_path / ".ignore").mkdir()
    (tmp_path / ".cmtignore").symlink_to("/dev/zero")
    assert ignored_by(tmp_path / "x", [tmp_path]) is None
    assert len(rules_of("a\n#b\n\n!c\n", "x")) == 2


# --- pieces of a question


def test_every_part_of_a_question_is_looked_at(tmp_path: Path) -> None:
    """Prompt, whole files, selections with their line, problems and the code beside them, texts and their titles."""
    secret = SECRETS["Anthropic"][1]
    uri = (tmp_path / "x.py").as_uri()
    selection = Selection(uri, "x.py", None, 41, 42, f"a\n{secret}")
    for items, text in (
        ((), f"why is {secret} refused?"),
        ((WholeFile(uri, secret),), "x"),
        ((selection,), "x"),
        ((Diagnostics(uri, (Diagnostic(1, "error", f"bad key {secret}"),)),), "x"),
        ((Diagnostics(uri, (Diagnostic(1, "error", "bad key", code_lines=(f"k = '{secret}'",)),)),), "x"),
        ((NamedText("log", secret),), "x"),
        ((NamedText(f"log of {secret}", "fine"),), "x"),
    ):
        held = concerns_of(pieces_of(text, items), [tmp_path])
        assert len(held) == 1, (items, text)
        assert secret not in str(held)
    assert "line 42" in str(concerns_of(pieces_of("x", (selection,)))[0])


def test_a_file_is_told_once_with_all_its_reasons(tmp_path: Path) -> None:
    """Its name, its place in an ignore file and what is in it, however many parts of it are attached."""
    (tmp_path / ".gitignore").write_text(".env\n")
    path = tmp_path / ".env"
    path.write_text("")
    (tmp_path / "link.txt").symlink_to(path)
    uri, secret = path.as_uri(), SECRETS["Stripe"][1]
    items = (WholeFile(uri, secret), Selection(uri, None, None, 1, 1, secret))
    (held,) = concerns_of(pieces_of("x", items), [tmp_path])
    assert held.kinds == {"ignored", "an environment file", "Stripe key"}
    assert len(held.reasons) == 3
    (by_link,) = concerns_of(pieces_of("x", (WholeFile((tmp_path / "link.txt").as_uri(), "x"),)), [tmp_path])
    assert by_link.kinds == {"ignored", "an environment file"}
    (unscanned,) = concerns_of(pieces_of("x", items), [tmp_path], scan=False)
    assert unscanned.kinds == {"ignored"}
