"""A guard over Grafana's sign-in settings."""

import re
from collections.abc import Iterator
from configparser import ConfigParser, Error
from io import StringIO
from pathlib import Path

#: Section, key, and the value that it must have.
REQUIRED: tuple[tuple[str, str, str], ...] = (
    ("auth", "disable_login_form", "true"),
    ("auth", "disable_login", "true"),
    ("auth", "oauth_allow_insecure_email_lookup", "false"),
    ("auth.basic", "enabled", "false"),
    ("auth.anonymous", "enabled", "false"),
    ("auth.proxy", "enabled", "false"),
    ("auth.jwt", "enabled", "false"),
    ("auth.generic_oauth", "enabled", "true"),
    ("auth.generic_oauth", "use_pkce", "true"),
    ("auth.generic_oauth", "role_attribute_strict", "true"),
    ("auth.generic_oauth", "skip_org_role_sync", "false"),
    ("auth.generic_oauth", "allow_assign_grafana_admin", "false"),
    ("auth.generic_oauth", "scopes", "openid profile email"),
    ("sso_settings", "configurable_providers", "none"),
    ("users", "allow_sign_up", "false"),
    ("users", "auto_assign_org_role", "Viewer"),
    ("security", "disable_initial_admin_creation", "true"),
    ("security", "cookie_secure", "true"),
    ("security", "allow_embedding", "false"),
    ("security", "csrf_always_check", "true"),
    ("snapshots", "enabled", "false"),
    ("snapshots", "external_enabled", "false"),
    ("public_dashboards", "enabled", "false"),
    ("panels", "disable_sanitize_html", "false"),
)
#: What the expression must ask before it gives a role; see tests/gateway/test_grafana.py for what it answers.
GUARDS = ("type(amr) == 'array'", "type(roles) == 'array'", "contains(amr, 'otp')")
#: What follows the guards, up to the end of the expression.
_IN_PARENTHESES = re.compile(r"[^()]*(\([^()]*\)[^()]*)*\)")
SECRETS = (("auth.generic_oauth", "client_secret"), ("security", "secret_key"))


def parse(text: str) -> ConfigParser:
    """Read grafana.ini without any interpolation of Python's."""
    parser = ConfigParser(interpolation=None, strict=True, delimiters=("=",))
    parser.read_string(text)
    return parser


def merged(base: Path, text: str) -> str:
    """One grafana.ini of a file and what overrides it; Grafana reads a single file, and no empty variable.

    Args:
        base: grafana.ini without sign-in.
        text: settings that win.
    """
    parser = parse(base.read_text(encoding="utf-8"))
    parser.read_string(text)
    result = StringIO()
    parser.write(result)
    return result.getvalue()


def role_expression(text: str) -> str:
    """The JMESPath expression that turns claims into a role."""
    return parse(text).get("auth.generic_oauth", "role_attribute_path")


def weaknesses(text: str) -> Iterator[str]:
    """What in the settings would let somebody in without a role and a one-time password."""
    try:
        settings = parse(text)
    except Error as error:
        yield str(error)
        return
    for section, key, wanted in REQUIRED:
        value = settings.get(section, key, fallback=None)
        if value != wanted:
            yield f"[{section}] {key} is {value!r}, must be {wanted!r}"
    for section in settings.sections():
        empty = [key for key, value in settings.items(section) if not value]
        yield from (f"[{section}] {key} is empty: Grafana would keep its default" for key in empty)
    for section, key in SECRETS:
        if not settings.get(section, key, fallback="").startswith("$__file{"):
            yield f"[{section}] {key}: the secret must come from a file"
    expression = settings.get("auth.generic_oauth", "role_attribute_path", fallback="")
    head, _, roles = expression.partition("&& (")
    for guard in GUARDS:
        if guard not in head:
            yield f"[auth.generic_oauth] role_attribute_path does not begin with {guard}"
    if "||" in head or not _IN_PARENTHESES.fullmatch(roles):
        yield "[auth.generic_oauth] role_attribute_path has a way round its guards"
