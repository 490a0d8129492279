"""File names that say by themselves that the file holds secrets."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import PurePath

_HARMLESS = ("*.example", "*.sample", "*.template", "*.dist", "*.pub", ".env.defaults", ".env.schema")
_NAMES: dict[str, tuple[str, ...]] = {
    "an environment file": (".env", ".env.*", "*.env", ".envrc", ".flaskenv"),
    "a private key": (
        "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.bks", "id_rsa", "id_dsa", "id_ecdsa",
        "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "*_rsa", "*_ed25519", "secring.gpg", "master.key",
    ),
    "a password database": ("*.kdbx", "*.kdb", "*.agilekeychain", "*.opvault", "*.psafe3", "*.keychain-db", "login.keychain"),
    "a credentials file": (
        ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", "pgpass.conf", ".my.cnf", ".htpasswd", ".git-credentials",
        ".dockercfg", ".dockerconfigjson", "credentials", "credentials.*", ".credentials", ".vault-token", ".s3cfg",
        ".boto", ".terraformrc", "credentials.tfrc.json", "*service*account*.json", "client_secret*.json",
        "application_default_credentials.json", "kubeconfig", "*.kubeconfig", "secrets.yml", "secrets.yaml",
        "secrets.json", "secrets.toml", ".secrets", "*.tfvars", "*.tfstate", "*.ovpn", "shadow", "wp-config.php",
    ),
    "a history of typed commands": (".bash_history", ".zsh_history", ".psql_history", ".mysql_history", ".python_history"),
}  # fmt: skip
_PLACES: dict[tuple[str, str], str] = {
    (".docker", "config.json"): "a credentials file",
    (".kube", "config"): "a credentials file",
    (".aws", "config"): "a credentials file",
    ("gh", "hosts.yml"): "a credentials file",
    (".gem", "credentials"): "a credentials file",
    (".cargo", "credentials.toml"): "a credentials file",
}


def secret_by_name(path: PurePath) -> str | None:
    """What a file of this name holds, in words, however its letters are cased; None where the name says nothing.

    Dots and spaces at the end name the same file on Windows.
    """
    parts = [part.lower().rstrip(" .") for part in path.parts]
    name = parts[-1] if parts else ""
    if any(fnmatchcase(name, shape) for shape in _HARMLESS):
        return None
    if len(parts) > 1 and (place := _PLACES.get((parts[-2], name))):
        return place
    for kind, shapes in _NAMES.items():
        if any(fnmatchcase(name, shape) for shape in shapes):
            return kind
    return None
