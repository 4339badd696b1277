"""Who gets which role in Grafana, and the guard over its settings."""

from typing import Any

import jmespath
import pytest

from gateway.grafana import REQUIRED, role_expression, weaknesses
from tests.gateway.rendered import rendered

ROLES = ["monitor-viewer", "monitor-editor", "monitor-admin"]
OTP = ["pwd", "otp"]


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"amr": OTP, "roles": ["monitor-viewer"]}, "Viewer"),
        ({"amr": OTP, "roles": ["monitor-editor", "monitor-viewer"]}, "Editor"),
        ({"amr": OTP, "roles": ROLES}, "Admin"),
        ({"amr": ["otp"], "roles": ["monitor-viewer", "other"]}, "Viewer"),
        ({"amr": ["pwd"], "roles": ROLES}, None),
        ({"amr": [], "roles": ROLES}, None),
        ({"roles": ROLES}, None),
        ({"amr": None, "roles": ROLES}, None),
        ({"amr": "otp", "roles": ROLES}, None),
        ({"amr": "nototp", "roles": ROLES}, None),
        ({"amr": {"otp": True}, "roles": ROLES}, None),
        ({"amr": ["nototp"], "roles": ROLES}, None),
        ({"amr": OTP}, None),
        ({"amr": OTP, "roles": []}, None),
        ({"amr": OTP, "roles": ["other"]}, None),
        ({"amr": OTP, "roles": "monitor-admin"}, None),
        ({"amr": OTP, "roles": ["monitor-administrator"]}, None),
        ({}, None),
    ],
)
def test_role(claims: dict[str, Any], role: str | None) -> None:
    # Strict: whatever is not the name of a role is refused.
    given = jmespath.search(role_expression(rendered("grafana.ini")), claims)
    assert (given if given in ("Viewer", "Editor", "Admin") else None) == role


def test_shipped_settings() -> None:
    assert list(weaknesses(rendered("grafana.ini"))) == []


@pytest.mark.parametrize(("section", "key", "value"), REQUIRED)
def test_every_required_setting_is_held(section: str, key: str, value: str) -> None:
    text = rendered("grafana.ini")
    head, section_line, tail = text.partition(f"[{section}]\n")
    assert section_line
    line = f"{key} = {value}"
    assert f"\n{line}\n" in "\n" + tail
    for other in (f"{key} = {'false' if value == 'true' else 'true'}", f"; {line}"):
        weaker = head + section_line + tail.replace(line, other, 1)
        assert any(f"[{section}] {key}" in found for found in weaknesses(weaker))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("contains(amr, 'otp') && ", ""),
        ("type(amr) == 'array' && ", ""),
        (" && (contains(roles, 'monitor-admin')", " || (contains(roles, 'monitor-admin')"),
        ("&& 'Viewer')", "&& 'Viewer') || 'Viewer'"),
        ("$__file{/run/secrets/grafana_oidc_secret}", "hunter2"),
        ("[auth.basic]", "[auth.basics]"),
        ("[auth.proxy]", "[auth.proxy]\nenabled = true"),
        # Grafana takes no notice of an empty value, and keeps its default.
        ("configurable_providers = none", "configurable_providers ="),
        ("login_maximum_lifetime_duration = 8h", "login_maximum_lifetime_duration ="),
        ("cookie_samesite = lax", "cookie_samesite = "),
    ],
)
def test_weakening_is_noticed(old: str, new: str) -> None:
    text = rendered("grafana.ini")
    assert old in text
    assert list(weaknesses(text.replace(old, new))) != []
