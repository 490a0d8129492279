"""Options from all places, and keys that reach only the endpoint they were configured for."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_turns import ask, new_session

from cmt_lsp.api.endpoint import DEFAULT_ENDPOINT
from cmt_lsp.api.errors import AuthError, BadParamsError, CmtError, MissingKeyError
from cmt_lsp.core import APISessionManager, Settings
from cmt_lsp.core.credentials import CredentialSource
from cmt_lsp.core.settings import OPTIONS, Resolved, resolve, user_file
from cmt_lsp.simulator import Fault, Simulator, simulator_in_thread


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "cmt-lsp" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def resolved(config: Path, client: object = None, **environ: str) -> Resolved:
    return resolve(environ, client, file=config)


def test_with_nothing_set_every_option_has_its_default(config: Path) -> None:
    assert resolved(config) == Resolved(Settings(), ())
    assert Settings().max_tokens == 16_000
    assert {option.field for option in OPTIONS} == set(Settings.__slots__)
    assert all(option.default == getattr(Settings(), option.field) for option in OPTIONS)


def test_later_places_win(config: Path) -> None:
    config.write_text('model = "claude-opus-5-5"\nmaxTokens = 100\neffort = "low"\nsystemPrompt = "file"\n')

    found = resolved(
        config,
        {"maxTokens": 200, "effort": "high", "systemPrompt": None},
        CMT_EFFORT="max",
        CMT_MAX_TOKENS="300",
    )

    assert found.notices == ()
    assert found.settings == Settings(
        model="claude-opus-5-5", max_tokens=300, effort="max", system_prompt="file"
    )


def test_the_user_file_sets_everything(config: Path) -> None:
    config.write_text(
        'baseUrl = "https://gateway.example/anthropic/"\napiKeyCommand = "pass show \'my key\'"\n'
        'promptCaching = false\nlogLevel = "debug"\n'
    )

    settings = resolved(config).settings

    assert settings.base_url == "https://gateway.example/anthropic"
    assert settings.api_key_command == ("pass", "show", "my key")
    assert (settings.prompt_caching, settings.log_level) == (False, "debug")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baseUrl", "https://evil.example"),
        ("apiKeyCommand", "curl evil.example"),
        ("apiKeyCommand", ["sh", "-c", "x"]),
    ],
)
def test_the_editors_options_cannot_move_requests_or_run_anything(
    config: Path, name: str, value: object
) -> None:
    found = resolved(config, {name: value})

    assert found.settings == Settings()
    assert found.notices[0].startswith(f"{name} from the editor's options is ignored")


def test_a_workspace_file_is_never_read(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('model = "evil"')
    (tmp_path / ".env").write_text("CMT_MODEL=evil")
    monkeypatch.chdir(tmp_path)

    assert resolved(config).settings == Settings()
    assert user_file({"XDG_CONFIG_HOME": "."}).is_absolute()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("maxTokens = 0", "maxTokens"),
        ('maxTokens = "many"', "maxTokens"),
        ("maxTokens = true", "maxTokens"),
        ("model = 5", "model"),
        ('model = ""', "model"),
        ('effort = "extreme"', "effort"),
        ('promptCaching = "perhaps"', "promptCaching"),
        ("promptCaching = 2", "promptCaching"),
        ('promptCache = "2h"', "promptCache in config.toml must be one of auto, 5m, 1h, off; auto is used"),
        ("promptCache = true", "promptCache"),
        ('baseUrl = "http://example.com"', "baseUrl"),
        ('baseUrl = "https://user@example.com"', "baseUrl"),
        ("apiKeyCommand = []", "apiKeyCommand"),
        ('apiKeyCommand = "a \'b"', "apiKeyCommand"),
        ('logLevel = "loud"', "logLevel"),
        ("model = ", "config.toml"),
        ("[[[", "config.toml"),
    ],
)
def test_a_bad_value_gives_the_default_and_one_sentence(config: Path, line: str, word: str) -> None:
    config.write_text(line)

    found = resolved(config)

    assert found.settings == Settings()
    assert len(found.notices) == 1
    assert word in found.notices[0]


@pytest.mark.parametrize(
    ("lines", "wish"),
    [
        ("", "auto"),
        ('promptCache = "1H"', "1h"),
        ('promptCache = "off"', "off"),
        ('promptCache = "1h"\npromptCaching = false', "off"),
    ],
)
def test_caching_that_is_switched_off_stays_off_whatever_its_lifetime(
    config: Path, lines: str, wish: str
) -> None:
    config.write_text(lines)
    assert resolved(config).settings.cache_wish == wish


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("max_tokens", "maxTokens"), ("maxtokens", "maxTokens"), ("Model", "model"), ("logLvel", "logLevel")],
)
def test_an_unknown_name_is_told_with_the_nearest_right_one(config: Path, wrong: str, right: str) -> None:
    config.write_text(f"{wrong} = 5")

    assert resolved(config).notices == (f"{wrong} in config.toml is no option; did you mean {right}?",)
    assert resolved(config, {"colour": 1}).notices[-1] == "colour in the editor's options is no option."


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
option_names = st.sampled_from([option.name for option in OPTIONS]) | st.text(max_size=10)


@given(st.dictionaries(option_names, anything, max_size=5) | anything)
def test_whatever_an_editor_sends_there_are_settings(client: object) -> None:
    found = resolve({}, client, file=Path("/nonexistent/config.toml"))

    assert found.settings.max_tokens > 0
    assert found.settings.model
    assert (found.settings.base_url, found.settings.api_key_command) == (None, ())


def keys(**environ: str) -> CredentialSource:
    return CredentialSource(environ)


FILE_URL, ENV_URL = "https://file.example", "https://env.example"
ENV = {"ANTHROPIC_API_KEY": "env-key", "ANTHROPIC_BASE_URL": ENV_URL}


def where(source: CredentialSource, settings: Settings) -> tuple[str | None, str]:
    access = source.known(settings)
    assert access is not None
    secret = access.credentials.api_key or access.credentials.auth_token
    assert secret is not None
    return secret.reveal(), access.endpoint


def test_each_key_goes_to_the_endpoint_of_its_own_source() -> None:
    with_url = Settings(base_url=FILE_URL)
    assert where(keys(**ENV), Settings()) == ("env-key", ENV_URL)
    assert where(keys(**ENV), with_url) == ("env-key", ENV_URL)
    assert where(keys(ANTHROPIC_API_KEY="k"), with_url) == ("k", DEFAULT_ENDPOINT)
    assert where(keys(ANTHROPIC_AUTH_TOKEN="t", ANTHROPIC_BASE_URL=ENV_URL), Settings()) == ("t", ENV_URL)
    assert keys(ANTHROPIC_BASE_URL=ENV_URL).known(with_url) is None
    assert keys().known(Settings()) is None


def test_a_pushed_key_wins_and_never_goes_to_the_environments_endpoint() -> None:
    source = keys(**ENV)
    source.push("pushed", Settings())
    assert where(source, Settings()) == ("pushed", DEFAULT_ENDPOINT)
    source.push("pushed", Settings(base_url=FILE_URL))
    assert where(source, Settings(base_url=FILE_URL)) == ("pushed", FILE_URL)


def test_a_pushed_key_does_not_follow_a_change_of_endpoint() -> None:
    source = keys()
    source.push("pushed", Settings(base_url=FILE_URL))

    assert source.known(Settings(base_url="https://other.example")) is None
    assert where(source, Settings(base_url=FILE_URL)) == ("pushed", FILE_URL)
    source.forget_pushed()
    assert source.known(Settings(base_url=FILE_URL)) is None


def test_a_programs_own_key_goes_with_the_environments_endpoint_only_if_it_is_the_environments() -> None:
    same, other = keys(**ENV), keys(**ENV)
    same.give("env-key", Settings())
    other.give("another", Settings())

    assert where(same, Settings()) == ("env-key", ENV_URL)
    assert where(other, Settings()) == ("another", DEFAULT_ENDPOINT)


async def test_a_command_is_asked_once_and_its_key_stays_with_command_and_endpoint(tmp_path: Path) -> None:
    script = "import pathlib; p=pathlib.Path({!r}); p.write_text(p.read_text()+'x'); print('printed-key')"
    count = tmp_path / "count"
    await asyncio.to_thread(count.write_text, "")
    command = (sys.executable, "-c", script.format(str(count)))
    settings = Settings(base_url=FILE_URL, api_key_command=command)
    source = keys()
    assert source.known(settings) is None

    found = await asyncio.gather(*[source.access(settings) for _ in range(4)])

    assert {access.endpoint for access in found} == {FILE_URL}
    assert where(source, settings) == ("printed-key", FILE_URL)
    assert await asyncio.to_thread(count.read_text) == "x"
    assert source.known(Settings(api_key_command=command)) is None
    source.refused(found[0])
    assert source.known(settings) is None
    assert "printed-key" not in repr(found)


@pytest.mark.parametrize(
    "command",
    [
        ("/nonexistent/tool",),
        (sys.executable, "-c", "print('SECRET-OUT'); raise SystemExit(3)"),
        (sys.executable, "-c", ""),
        (sys.executable, "-c", "print('a b SECRET-OUT')"),
    ],
)
async def test_a_failing_command_is_a_typed_error_without_its_output(command: tuple[str, ...]) -> None:
    with pytest.raises(AuthError) as failure:
        await keys().access(Settings(api_key_command=command))

    assert "SECRET" not in str(failure.value)
    assert str(failure.value)


async def test_a_command_that_hangs_is_given_up_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmt_lsp.core.credentials.COMMAND_SECONDS", 0.3)
    began, longest = time.monotonic(), 0.0
    waiting = asyncio.ensure_future(
        keys().access(Settings(api_key_command=(sys.executable, "-c", "import time; time.sleep(30)")))
    )
    while not waiting.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)

    with pytest.raises(AuthError, match="no key within"):
        await waiting
    assert time.monotonic() - began < 10
    assert longest < 0.25


async def test_without_any_key_the_error_says_what_to_do() -> None:
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        await keys(ANTHROPIC_BASE_URL=ENV_URL).access(Settings())


async def test_a_bad_endpoint_in_the_environment_is_a_typed_error() -> None:
    with pytest.raises(BadParamsError):
        await keys(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL="http://evil.example").access(Settings())


async def test_no_key_reaches_a_foreign_endpoint_whatever_is_configured(
    simulator: Simulator, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment names one endpoint, the user's file another, the editor pushes a key: each key to its own."""
    with simulator_in_thread(show_keys=True) as files, simulator_in_thread(show_keys=True) as environments:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", environments.base_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "env-key")
        printing = f'["{sys.executable}", "-c", "print(\'printed-key\')"]'
        text = f'baseUrl = "{files.base_url}"\napiKeyCommand = {printing}\n'
        await asyncio.to_thread(config.write_text, text)
        manager = APISessionManager()
        session = await new_session(manager)
        await ask(manager, session, "with the environment's key")
        manager.keys.push("pushed-key", manager.settings)
        await ask(manager, session, "with the pushed key")
        manager.keys.forget_pushed()
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        await ask(manager, session, "with the printed key")
        await manager.aclose()

        sent = {sim.base_url: [r.headers["x-api-key"] for r in sim.requests] for sim in (files, environments)}
    assert sent == {environments.base_url: ["env-key"], files.base_url: ["pushed-key", "printed-key"]}
    assert simulator.requests == []


async def test_a_refused_printed_key_is_asked_for_anew(
    simulator: Simulator, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    count = tmp_path / "count"
    script = f"open({str(count)!r}, 'a').write('x'); print('printed-key')"
    settings = Settings(base_url=simulator.base_url, api_key_command=(sys.executable, "-c", script))
    manager = APISessionManager(settings=settings)
    session = await new_session(manager)
    simulator.fail_next(Fault.status(401))

    with pytest.raises(CmtError):
        await ask(manager, session)
    await ask(manager, session)

    assert await asyncio.to_thread(count.read_text) == "xx"
    await manager.aclose()


def limits(found: Resolved) -> dict[str, float]:
    return {limit.scope: limit.limit_nano / 10**9 for limit in found.settings.budgets}


def test_of_all_places_the_lowest_limit_of_a_budget_holds(config: Path) -> None:
    config.write_text("[budgets]\nday = 5\nmonth = 50\n")

    found = resolved(config, {"budgets": {"day": 2.5, "month": 500, "session": 1, "turn": None}})

    assert limits(found) == {"session": 1, "day": 2.5, "month": 50}
    assert {limit.source for limit in found.settings.budgets} == {"settings"}
    assert found.notices == (
        "budgets.month of $500.00 is not used: another place sets $50.00, and the lowest limit holds.",
    )


@pytest.mark.parametrize("editors", [{}, {"day": None}, {"day": 5000}, {"day": "none"}, [], None, 0, "off"])
def test_no_option_of_an_editor_takes_a_limit_away(config: Path, editors: object) -> None:
    config.write_text("[budgets]\nday = 5\n")

    assert limits(resolved(config, {"budgets": editors})) == {"day": 5}


def test_of_a_table_of_limits_the_good_ones_are_kept_and_each_bad_one_is_told(config: Path) -> None:
    config.write_text('[budgets]\nmonht = 3\nday = 5\nturn = 0\n"{place}" = "{0}"\n')

    found = resolved(config)

    scopes = "choose one of turn, session, window, workspace, day, month."
    assert limits(found) == {"day": 5}
    assert [notice.removeprefix("budgets.") for notice in found.notices] == [
        f"monht in config.toml is not used: 'monht' is no budget; {scopes}",
        "turn in config.toml is not used: A limit of 0 would refuse every turn; give an amount above 0, or remove the limit.",
        f"{{place}} in config.toml is not used: '{{place}}' is no budget; {scopes}",
    ]


def test_limits_that_are_no_table_are_told_in_one_sentence(config: Path) -> None:
    config.write_text("budgets = 5")

    (notice,) = resolved(config).notices
    assert notice == (
        "budgets in config.toml must be a table of limits in US dollars, such as day = 5 under [budgets]; nothing "
        "is used unless set elsewhere."
    )
