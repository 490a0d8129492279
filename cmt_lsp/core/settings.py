"""Settings: one resolver from all places where a person may set an option to one frozen value that is never None.

Later places win: defaults, the user's file, the editor's options, the environment. A bad value is named in a notice
and the value below it stands. The editor's options may come from a workspace somebody else wrote, so they may set
style and never where requests go, with which key, or what is run; no file of a workspace is ever read.
"""

from __future__ import annotations

import difflib
import os
import shlex
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cmt_lsp.api.endpoint import check_endpoint
from cmt_lsp.api.errors import BadParamsError
from cmt_lsp.api.models import DEFAULT_MODEL
from cmt_lsp.api.surrogates import mend
from cmt_lsp.api.user_dir import user_dir
from cmt_lsp.core.money.budget import SCOPES, Limit, check_limit, in_force, usd
from cmt_lsp.core.prompts.own import own_prompts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cmt_lsp.api.cache.choice import Wish
    from cmt_lsp.core.prompts.prompt import Prompt

EFFORTS = ("low", "medium", "high", "xhigh", "max")
CACHE_WISHES = ("auto", "5m", "1h", "off")
SCANS = ("ask", "off")
LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_TOKENS_CEILING = 1_000_000
KEEP_WARM_CEILING = 60
_FILE_LIMIT = 1024 * 1024
_SYSTEM_PROMPT_LIMIT = 1024 * 1024

OptionScope: TypeAlias = Literal["style", "user"]
Check: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every option with its value in force."""

    model: str = DEFAULT_MODEL
    max_tokens: int = 16_000
    effort: str | None = None
    system_prompt: str | None = None
    prompt_caching: bool = True
    keep_warm: int = 0
    """Minutes after the last sign of the person for which a session's prefix is kept in the cache; 0: never."""
    prompt_cache: Wish = "auto"
    base_url: str | None = None
    """The user file's endpoint, checked; the environment's own goes with the environment's key alone."""
    api_key_command: tuple[str, ...] = ()
    log_level: str = "warning"
    scan: str = "ask"
    budgets: tuple[Limit, ...] = ()
    """The lowest limit of each budget that any place sets."""
    prompts: tuple[Prompt, ...] = ()
    """What the person added to the menu of code actions."""
    code_actions: bool = True

    @property
    def scans(self) -> bool:
        """Whether what is sent is looked through for secrets; ignore files count in any case."""
        return self.scan != "off"

    @property
    def cache_wish(self) -> Wish:
        """What is wanted of the prompt cache; caching that is switched off stays off, whatever its lifetime."""
        return self.prompt_cache if self.prompt_caching else "off"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings in force and a sentence for each value that was not taken."""

    settings: Settings
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the options table: its name in files and editors, and what it takes."""

    name: str
    field: str
    type: str
    scope: OptionScope
    sentence: str
    check: Check
    variable: str | None = None
    """The environment variable that sets it."""

    @property
    def default(self) -> object:
        """The value when nobody sets it."""
        return getattr(Settings(), self.field)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return mend(value)


def _model(value: object) -> str:
    name = _text(value).strip()
    if len(name) > 200 or any(c.isspace() or not c.isprintable() for c in name):
        raise ValueError("must be a model's id")
    return name


def _system_prompt(value: object) -> str:
    text = _text(value)
    if len(text) > _SYSTEM_PROMPT_LIMIT:
        raise ValueError("must be shorter than a megabyte")
    return text


def _max_tokens(value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS_CEILING:
        raise ValueError(f"must be a whole number from 1 to {MAX_TOKENS_CEILING}")
    return value


def _keep_warm(value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= KEEP_WARM_CEILING:
        raise ValueError(f"must be a whole number of minutes from 0 (off) to {KEEP_WARM_CEILING}")
    return value


def _flag(value: object) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in ("true", "1", "on", "yes") and not isinstance(word, int | float):
        return True
    if word in ("false", "0", "off", "no") and not isinstance(word, int | float):
        return False
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


def _one_of(*words: str) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value.lower()

    return check


def _endpoint(value: object) -> str:
    try:
        return check_endpoint(_text(value))
    except BadParamsError as error:
        raise ValueError(f"is refused: {error.message.rstrip('.')}") from error


def _command(value: object) -> tuple[str, ...]:
    try:
        parts = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("must be a command with its quotes closed") from error
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part for part in parts):
        raise ValueError("must be a command: a text, or a list of texts")
    return tuple(parts)


class _PartlyWrongError(ValueError):
    """Some entries of a table are `wrong`, each with a sentence that says what to do; the others are `taken`."""

    def __init__(self, taken: tuple[Any, ...], wrong: tuple[tuple[str, str], ...]) -> None:
        super().__init__("has entries that are wrong")
        self.taken = taken
        self.wrong = wrong


def _budgets(value: object) -> tuple[Limit, ...]:
    """Limits by budget in US dollars; an entry that is null is not set."""
    if not isinstance(value, dict):
        raise ValueError("must be a table of limits in US dollars, such as day = 5 under [budgets]")  # noqa: TRY004
    taken, wrong = [], []
    for name, usd_limit in value.items():
        try:
            scope, nano, warn_at = check_limit(name, usd_limit, None)
        except BadParamsError as error:
            wrong.append((_short(name), error.message))
        else:
            taken += [Limit(scope, nano, warn_at, "settings")] if nano is not None else []
    limits = in_force((), taken)
    if wrong:
        raise _PartlyWrongError(limits, tuple(wrong))
    return limits


def _prompts(value: object) -> tuple[Prompt, ...]:
    """The person's own prompts; one that is wrong leaves the others."""
    taken, wrong = own_prompts(value, _model)
    if wrong:
        raise _PartlyWrongError(taken, wrong)
    return taken


OPTIONS: tuple[Option, ...] = (
    Option("model", "model", "string", "style", "The model of new sessions.", _model, "CMT_MODEL"),
    Option(
        "maxTokens",
        "max_tokens",
        "integer",
        "style",
        "The most tokens of one answer, thinking included.",
        _max_tokens,
        "CMT_MAX_TOKENS",
    ),
    Option(
        "effort",
        "effort",
        " | ".join(EFFORTS),
        "style",
        "How much work the model puts into an answer; unset leaves it to the model.",
        _one_of(*EFFORTS),
        "CMT_EFFORT",
    ),
    Option(
        "systemPrompt",
        "system_prompt",
        "string",
        "style",
        "The system prompt of new sessions.",
        _system_prompt,
        "CMT_SYSTEM_PROMPT",
    ),
    Option(
        "promptCaching",
        "prompt_caching",
        "boolean",
        "style",
        "Whether long prompts are marked for the prompt cache.",
        _flag,
        "CMT_PROMPT_CACHING",
    ),
    Option(
        "promptCache",
        "prompt_cache",
        " | ".join(CACHE_WISHES),
        "style",
        "How long prompts are kept in the cache: auto chooses by what pays, 5m and 1h mark all parts so, off marks none.",
        _one_of(*CACHE_WISHES),
        "CMT_PROMPT_CACHE",
    ),
    Option(
        "keepWarm",
        "keep_warm",
        "integer",
        "user",
        "How many minutes (at most 60) a session's cache is refreshed after its person last typed or asked; 0 is off."
        " It spends money, so the editor's options cannot set it.",
        _keep_warm,
        "CMT_KEEP_WARM",
    ),
    Option(
        "baseUrl",
        "base_url",
        "string",
        "user",
        "The endpoint for the key of apiKeyCommand or of the editor; https, or http on this machine.",
        _endpoint,
    ),
    Option(
        "apiKeyCommand",
        "api_key_command",
        "string | string[]",
        "user",
        "A command, run without a shell, that prints the API key.",
        _command,
    ),
    Option(
        "logLevel",
        "log_level",
        " | ".join(LOG_LEVELS),
        "style",
        "How much is written to the log file; never prompts, answers or keys.",
        _one_of(*LOG_LEVELS),
        "CMT_LOG_LEVEL",
    ),
    Option(
        "secretScan",
        "scan",
        " | ".join(SCANS),
        "user",
        "Whether a question is held and asked about where something in it looks like a secret. The editor's options cannot"
        " set it, since they may come from a workspace of somebody else.",
        _one_of(*SCANS),
        "CMT_SECRET_SCAN",
    ),
    Option(
        "budgets",
        "budgets",
        f"table of {' | '.join(SCOPES)} to number",
        "style",
        "The most to spend in each turn, session, ..., in US dollars. Of all places the lowest limit holds.",
        _budgets,
    ),
    Option(
        "codeActions",
        "code_actions",
        "boolean",
        "style",
        "Whether the editor's menu of code actions offers to ask Claude; false suits an editor whose plugin has its own.",
        _flag,
        "CMT_CODE_ACTIONS",
    ),
    Option(
        "prompt",
        "prompts",
        "array of tables with name, text, result, model, scope",
        "user",
        "Code actions of your own, one [[prompt]] table for each; see actions.md. The editor's options cannot set it,"
        " since a text in a workspace of somebody else would be asked in your name.",
        _prompts,
    ),
)
"""The options table; the settings reference is generated from it."""

_BY_NAME = {option.name: option for option in OPTIONS}


def user_file(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/cmt-lsp/config.toml`, or the platform's own place for it."""
    return user_dir(environ) / "config.toml"


def resolve(
    environ: Mapping[str, str] | None = None,
    client_options: object = None,
    *,
    file: Path | None = None,
) -> Resolved:
    """Settings from all places, the environment last; never raises for what a person wrote.

    `client_options` is the editor's `cmt` section, in any shape it sends; `file` stands in for the user's file.
    """
    environ = os.environ if environ is None else environ
    notices: list[str] = []
    layers = (
        _checked(_read_file(file or user_file(environ), notices), "config.toml", notices),
        _checked(_style_only(client_options, notices), "the editor's options", notices),
        _checked(_variables(environ), "the environment", notices),
    )
    settings = Settings()
    for layer in layers:
        budgets = _lowest(settings.budgets, layer.get("budgets", ()), notices)
        settings = replace(settings, **{**layer, "budgets": budgets})
    return Resolved(settings, tuple(notices))


def _lowest(below: tuple[Limit, ...], above: tuple[Limit, ...], notices: list[str]) -> tuple[Limit, ...]:
    """The limits of two places; unlike other options, a later place can only lower them."""
    limits = in_force(below, above)
    notices += [
        f"budgets.{limit.scope} of {usd(limit.limit_nano)} is not used: another place sets {usd(lower.limit_nano)}, and "
        "the lowest limit holds."
        for limit in above
        for lower in limits
        if limit.scope == lower.scope and limit.limit_nano > lower.limit_nano
    ]
    return limits


def _read_file(path: Path, notices: list[str]) -> Mapping[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.loads(handle.read(_FILE_LIMIT).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        notices.append(f"{path} is not used: {_why(error)}; mend or remove it.")
        return {}


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or "it cannot be read"


def _style_only(given: object, notices: list[str]) -> Mapping[str, Any]:
    """The editor's options without those that only the user's own file or environment may set."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        notices.append("The editor's options are not used: they must be an object.")
        return {}
    taken = {}
    for name, value in given.items():
        option = _BY_NAME.get(name)
        if option is not None and option.scope != "style":
            notices.append(
                f"{name} from the editor's options is ignored; only {_place_of(option)} may set it."
            )
        elif value is not None:
            taken[str(name)] = value
    return taken


def _place_of(option: Option) -> str:
    variable = "ANTHROPIC_BASE_URL" if option.name == "baseUrl" else option.variable
    return f"config.toml or {variable}" if variable else "config.toml"


def _variables(environ: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        option.name: environ[option.variable]
        for option in OPTIONS
        if option.variable and environ.get(option.variable)
    }


def _checked(given: Mapping[str, Any], place: str, notices: list[str]) -> dict[str, Any]:
    """The fields of `Settings` that a place sets to a good value; the others are named."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        option = _BY_NAME.get(name)
        if option is None:
            notices.append(f"{_short(name)} in {place} is no option{_suggestion(name)}")
            continue
        try:
            values[option.field] = option.check(value)
        except _PartlyWrongError as error:
            values[option.field] = error.taken
            notices += [f"{name}.{entry} in {place} is not used: {why}" for entry, why in error.wrong]
        except ValueError as error:
            default = "nothing" if option.default in (None, ()) else _short(option.default)
            notices.append(f"{name} in {place} {error}; {default} is used unless set elsewhere.")
    return values


def _suggestion(name: str) -> str:
    head, *rest = name.split("_")
    camel = head + "".join(part.title() for part in rest)
    near = difflib.get_close_matches(camel.lower(), [known.lower() for known in _BY_NAME], n=1, cutoff=0.6)
    right = next((known for known in _BY_NAME if near and known.lower() == near[0]), None)
    return f"; did you mean {right}?" if right else "."


def _short(value: object) -> str:
    return str(value)[:60]
