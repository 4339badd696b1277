"""What people do in the browser to sign in."""

from typing import Any

from tests.gateway.edge import HOST
from tests.gateway.identity.conftest import Stack
from tests.gateway.identity.totp import code

BASE = f"https://{HOST}"
PASSWORD = "Correct-horse-7-battery"


def visitor(browser: Any) -> Any:
    """A new page of somebody who was never here."""
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.set_default_timeout(60_000)
    return page


def give_password(page: Any, name: str, password: str = PASSWORD) -> None:
    """Ask for the dashboard, and give name and password."""
    page.goto(f"{BASE}/admin/monitoring/d/ticketing/ticketing?var-section=kpis&from=now-6h")
    page.fill("#username", name)
    page.fill("#password", password)
    page.click("[type=submit]")


def give_code(page: Any, value: str) -> None:
    """Give the one-time password that is asked for."""
    page.fill("#otp", value)
    page.click("[type=submit]")


def enrol(stack: Stack, browser: Any, name: str, role: str | None) -> tuple[Any, str]:
    """Add a person and enrol an authenticator at the first sign-in; returns the page after it, and the secret."""
    stack.keycloak.add_person(name, PASSWORD, role)
    page = visitor(browser)
    give_password(page, name)
    return page, set_up_authenticator(page)


def set_up_authenticator(page: Any) -> str:
    """Do what the page asks for; returns the secret."""
    page.click("#mode-manual")
    secret = str(page.inner_text("#kc-totp-secret-key"))
    page.fill("#totp", code(secret))
    page.click("[type=submit]")
    page.wait_for_selector("#totp", state="detached")
    page.wait_for_load_state()
    return secret


def choose_password(page: Any, password: str) -> None:
    """Do what the page asks for."""
    page.fill("#password-new", password)
    page.fill("#password-confirm", password)
    page.click("[type=submit]")
    page.wait_for_selector("#password-new", state="detached")
    page.wait_for_load_state()


def shown(page: Any) -> str:
    """The text of the page."""
    return str(page.inner_text("body"))
