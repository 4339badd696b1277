"""A guard over Keycloak's realm: every way through its flows needs a password and a one-time password."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

#: Settings of the realm, and the values that Google Authenticator, strength and rotation demand.
REQUIRED: Mapping[str, Any] = {
    "enabled": True,
    "otpPolicyType": "totp",
    "otpPolicyAlgorithm": "HmacSHA1",
    "otpPolicyDigits": 6,
    "otpPolicyPeriod": 30,
    "otpPolicyCodeReusable": False,
    "bruteForceProtected": True,
    "registrationAllowed": False,
    "resetPasswordAllowed": False,
    "rememberMe": False,
    "editUsernameAllowed": False,
}
MOST = {
    "failureFactor": 3,
    "otpPolicyLookAheadWindow": 1,
    "accessTokenLifespan": 300,
    "ssoSessionMaxLifespan": 28800,
    "ssoSessionIdleTimeout": 1800,
}
LEAST = {
    # The lock after too many failures.
    "waitIncrementSeconds": 900,
    # For how long a failure counts: who waits this long between two guesses is never locked out.
    "maxDeltaTimeSeconds": 43200,
}
PASSWORD, OTP, COOKIE, DENY = (
    "auth-username-password-form",
    "auth-otp-form",
    "auth-cookie",
    "deny-access-authenticator",
)


def weaknesses(realm: Json) -> Iterator[str]:
    """What in the realm would let somebody in who should not be."""
    for key, wanted in REQUIRED.items():
        if realm.get(key) != wanted:
            yield f"{key} is {realm.get(key)!r}, must be {wanted!r}"
    for key, most in MOST.items():
        if not isinstance(realm.get(key), int) or realm[key] > most:
            yield f"{key} is {realm.get(key)!r}, must be at most {most}"
    for key, least in LEAST.items():
        if not isinstance(realm.get(key), int) or realm[key] < least:
            yield f"{key} is {realm.get(key)!r}, must be at least {least}"
    if realm.get("sslRequired") not in ("all", "external"):
        yield "sslRequired must be all or external"
    # Given, Keycloak would create none of its own scopes, or run migrations.
    yield from (f"{key} must not be given" for key in ("clientScopes", "keycloakVersion", "users") if key in realm)
    yield from _flows(realm)
    actions = {action["alias"]: action for action in realm.get("requiredActions", [])}
    totp = actions.get("CONFIGURE_TOTP", {})
    if not (totp.get("enabled") and totp.get("defaultAction")):
        yield "CONFIGURE_TOTP must be an enabled default action: a new person could skip it"
    for client in realm["clients"]:
        yield from (f"client {client['clientId']}: {text}" for text in _client(client))


def _flows(realm: Json) -> Iterator[str]:
    flows = {flow["alias"]: flow["authenticationExecutions"] for flow in realm["authenticationFlows"]}
    configs = {config["alias"]: config["config"] for config in realm["authenticatorConfig"]}
    for alias, executions in flows.items():
        kinds = {step["requirement"] for step in executions}
        if unknown := kinds - {"REQUIRED", "ALTERNATIVE", "DISABLED"}:
            yield f"flow {alias}: {unknown.pop()} steps can be skipped"
        if {"REQUIRED", "ALTERNATIVE"} <= kinds:
            yield f"flow {alias}: REQUIRED next to ALTERNATIVE turns the alternative off"
        for step in executions:
            if step.get("authenticatorFlow") and step["flowAlias"] not in flows:
                yield f"flow {alias}: there is no flow {step['flowAlias']}"
            if step.get("authenticator") in (PASSWORD, OTP):
                yield from _reference(step, configs, realm)
    if realm.get("browserFlow") not in flows:
        yield "browserFlow must be a flow of this file"
    for way in _ways(flows, realm.get("browserFlow")):
        if way != [COOKIE] and not {PASSWORD, OTP} <= set(way):
            yield f"the browser flow lets in with {way or 'nothing'}"
    if _ways(flows, realm.get("directGrantFlow")) != [[DENY]]:
        yield "the direct grant must be denied: a password alone would be enough for a token"


def _reference(step: Json, configs: Mapping[str, Json], realm: Json) -> Iterator[str]:
    """The claim `amr` is made of these, for as long as a session lasts."""
    config = configs.get(step.get("authenticatorConfig", ""), {})
    wanted = "otp" if step["authenticator"] == OTP else "pwd"
    if config.get("default.reference.value") != wanted:
        yield f"step {step['authenticator']} must have the authenticator reference {wanted}"
    if str(config.get("default.reference.maxAge")) != str(realm.get("ssoSessionMaxLifespan")):
        yield f"step {step['authenticator']}: the reference must last as long as a session"


def _ways(flows: Mapping[str, Sequence[Json]], alias: Any) -> list[list[str]]:
    """Every way through a flow, as the steps that must be passed on it."""
    steps = flows.get(alias, [])

    def ways(step: Json) -> list[list[str]]:
        return _ways(flows, step["flowAlias"]) if step.get("authenticatorFlow") else [[step["authenticator"]]]

    required = [step for step in steps if step["requirement"] == "REQUIRED"]
    if not required:
        return [way for step in steps if step["requirement"] == "ALTERNATIVE" for way in ways(step)]
    found: list[list[str]] = [[]]
    for step in required:
        found = [before + way for before in found for way in ways(step)]
    return found


def _client(client: Json) -> Iterator[str]:
    grants = (
        "publicClient",
        "implicitFlowEnabled",
        "directAccessGrantsEnabled",
        "serviceAccountsEnabled",
        "fullScopeAllowed",
    )
    yield from (f"{grant} must be false" for grant in grants if client.get(grant) is not False)
    if client.get("attributes", {}).get("pkce.code.challenge.method") != "S256":
        yield "PKCE must be S256"
    uris = client.get("redirectUris", [])
    if len(uris) != 1 or "*" in uris[0] or not uris[0].startswith("https://"):
        yield "there must be one exact https redirect URI"
    if client.get("webOrigins"):
        yield "no page of another origin needs it: webOrigins must be empty"
    if not str(client.get("secret", "")).startswith("${"):
        yield "the secret must come from the environment"
    mappers = client.get("protocolMappers", [])
    if not any(
        m["protocolMapper"] == "oidc-amr-mapper" and m["config"].get("id.token.claim") == "true" for m in mappers
    ):
        yield "the ID token must have amr"
    scopes = [*client.get("defaultClientScopes", []), *client.get("optionalClientScopes", [])]
    if "basic" not in scopes:
        yield "without the scope basic there is no sub"
    if "offline_access" in scopes:
        yield "offline tokens would outlive the session"
