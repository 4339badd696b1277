"""The guard over the realm finds nothing in it, and everything that would weaken it."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.realm import weaknesses
from tests.gateway.rendered import realm

Realm = dict[str, Any]


def test_shipped_realm() -> None:
    assert list(weaknesses(realm())) == []


def forms(one: Realm) -> list[Realm]:
    return next(f for f in one["authenticationFlows"] if f["alias"] == "browser-mfa-forms")["authenticationExecutions"]  # type: ignore[no-any-return]


def otp(**changes: Any) -> Callable[[Realm], Any]:
    return lambda one: forms(one)[1].update(changes)


def setting(**changes: Any) -> Callable[[Realm], Any]:
    return lambda one: one.update(changes)


def client(**changes: Any) -> Callable[[Realm], Any]:
    return lambda one: one["clients"][0].update(changes)


def second_way_in(one: Realm) -> None:
    step = {"authenticator": "auth-spnego", "requirement": "ALTERNATIVE", "priority": 15}
    one["authenticationFlows"][0]["authenticationExecutions"].append(step)


def no_amr(one: Realm) -> None:
    one["clients"][1]["protocolMappers"] = [
        mapper for mapper in one["clients"][1]["protocolMappers"] if mapper["name"] != "amr"
    ]


WEAKENINGS: dict[str, Callable[[Realm], Any]] = {
    "one-time password only for some": otp(requirement="CONDITIONAL"),
    "one-time password as an alternative": otp(requirement="ALTERNATIVE"),
    "one-time password turned off": otp(requirement="DISABLED"),
    "one-time password without its trace in the token": otp(authenticatorConfig="ref-pwd"),
    "another way in": second_way_in,
    "the browser flow of Keycloak": setting(browserFlow="browser"),
    "the password grant": setting(directGrantFlow="direct grant"),
    "the password grant for one client": client(directAccessGrantsEnabled=True),
    "the trace expires at once": lambda one: one["authenticatorConfig"][1]["config"].update(
        {"default.reference.maxAge": "0"}
    ),
    "codes may be used again": setting(otpPolicyCodeReusable=True),
    "more codes are good at a time": setting(otpPolicyLookAheadWindow=10),
    "codes that Google Authenticator does not make": setting(otpPolicyAlgorithm="HmacSHA256"),
    "guessing": setting(bruteForceProtected=False),
    "guessing ten times": setting(failureFactor=10),
    "a short lock": setting(waitIncrementSeconds=10),
    "guessing every five minutes": setting(maxDeltaTimeSeconds=300),
    "guessing as slowly as Keycloak has it": lambda one: one.pop("maxDeltaTimeSeconds"),
    "anybody may register": setting(registrationAllowed=True),
    "passwords by mail": setting(resetPasswordAllowed=True),
    "sessions for days": setting(ssoSessionMaxLifespan=604800),
    "no TLS": setting(sslRequired="none"),
    "authenticator not asked for": lambda one: one["requiredActions"][0].update(defaultAction=False),
    "any redirect": client(redirectUris=["https://monitoring.nft-ticketing.com/*"]),
    "a second redirect": client(redirectUris=["https://monitoring.nft-ticketing.com/a", "http://localhost/"]),
    "no PKCE": lambda one: one["clients"][0]["attributes"].pop("pkce.code.challenge.method"),
    "a public client": client(publicClient=True),
    "a service account": client(serviceAccountsEnabled=True),
    "all roles in every token": client(fullScopeAllowed=True),
    "pages of other origins": client(webOrigins=["+"]),
    "a secret in the file": client(secret="hunter2"),
    "tokens for ever": client(optionalClientScopes=["offline_access"]),
    "methods missing in the token": no_amr,
    "own scopes": setting(clientScopes=[]),
    "people in the file": setting(users=[{"username": "a"}]),
}


@pytest.mark.parametrize("weaken", WEAKENINGS.values(), ids=WEAKENINGS)
def test_weakening_is_noticed(weaken: Callable[[Realm], Any]) -> None:
    weaker = realm()
    weaken(weaker)
    assert weaker != realm()
    assert list(weaknesses(weaker)) != []
