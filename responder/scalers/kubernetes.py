"""A Kubernetes Deployment, by its `scale` subresource.

The version that was read goes along with the write, so a write that rests on old knowledge is refused by the API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from responder.config import Endpoint, authority
from responder.endpoints import EndpointClient, EndpointError
from responder.errors import RefusedError, RetryError

CONFLICT = 409


class Kubernetes(Endpoint, frozen=True, kw_only=True, tag_field="kind", tag="kubernetes"):
    """A Deployment, scaled by its `scale` subresource.

    Attributes:
        url: address of the API server.
        namespace: namespace of the Deployment.
        deployment: name of the Deployment.
    """

    namespace: str
    deployment: str


class KubernetesScaler:
    """Needs `get` and `update` on `deployments/scale`, and nothing else."""

    def __init__(self, http: EndpointClient, config: Kubernetes) -> None:
        self._http = http
        self._config = config
        namespace, deployment = quote(config.namespace, safe=""), quote(config.deployment, safe="")
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale"

    @property
    def name(self) -> str:
        """See `Scaler`."""
        return f"kubernetes {authority(self._config.url)} {self._config.namespace}/{self._config.deployment}"

    def read(self) -> int:
        """See `Scaler`."""
        return _replicas(self._get())

    def change(self, from_: int, to: int, confirm: Callable[[], None]) -> bool:
        """See `Scaler`."""
        scale = self._get()
        if (found := _replicas(scale)) in (from_, to):
            if found != to:
                # A claim that is lost after this has been followed by another change, and so by another version.
                confirm()
                self._put({**scale, "spec": {**scale["spec"], "replicas": to}})
            return True
        return False

    def _get(self) -> dict[str, Any]:
        scale = self._http.request("GET", self._config, self._path).json()
        if not isinstance(scale, dict) or scale.get("kind") != "Scale" or not isinstance(scale.get("spec"), dict):
            raise RefusedError("Kubernetes did not answer with a Scale")
        return scale

    def _put(self, scale: dict[str, Any]) -> None:
        try:
            # Not repeated here: whether the first one arrived is seen by reading again.
            self._http.request("PUT", self._config, self._path, body=scale, attempts=1)
        except EndpointError as error:
            if error.status == CONFLICT:
                raise RetryError("somebody else changed the Deployment at this moment") from None
            raise


def _replicas(scale: dict[str, Any]) -> int:
    # The API leaves out a number of 0.
    return int(scale["spec"].get("replicas", 0))
