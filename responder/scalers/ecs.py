"""An Amazon ECS service, by `UpdateService`. Needs the extra `aws`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.yaml_files import Strict
from responder.errors import RefusedError, RetryError

CONNECT_SECONDS = 3
READ_SECONDS = 6
_FINAL = {
    "AccessDeniedException",
    "ClusterNotFoundException",
    "InvalidParameterException",
    "ServiceNotActiveException",
    "ServiceNotFoundException",
    "UnrecognizedClientException",
}


class Ecs(Strict, frozen=True, kw_only=True, tag_field="kind", tag="ecs"):
    """An Amazon ECS service; needs the extra `aws`. Credentials are found as boto3 finds them.

    Attributes:
        region: AWS region, for example us-east-1.
        cluster: name or ARN of the cluster.
        service: name or ARN of the service.
        endpoint_url: address to use instead of Amazon's.
    """

    region: str
    cluster: str
    service: str
    endpoint_url: str | None = None


class EcsScaler:
    """Needs `ecs:DescribeServices` and `ecs:UpdateService` on the service."""

    def __init__(self, config: Ecs) -> None:
        self._config = config

    @property
    def name(self) -> str:
        """See `Scaler`."""
        return f"ecs {self._config.region} {self._config.cluster}/{self._config.service}"

    def read(self) -> int:
        """See `Scaler`."""
        config = self._config
        answer = self._call("describe_services", cluster=config.cluster, services=[config.service])
        if not answer["services"]:
            raise RefusedError(f"ECS has no service {config.service} in {config.cluster}")
        return int(answer["services"][0]["desiredCount"])

    def change(self, from_: int, to: int, confirm: Callable[[], None]) -> bool:
        """See `Scaler`. ECS knows no condition: a change by somebody else within these milliseconds is lost."""
        found = self.read()
        if found not in (from_, to):
            return False
        if found != to:
            confirm()
            self._call("update_service", cluster=self._config.cluster, service=self._config.service, desiredCount=to)
        return True

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise RefusedError("boto3 is not installed: pip install 'ticketing-monitor[aws]'") from None
        # Repeated by the ledger instead, so that a try ends well within its lease.
        limits = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
        try:
            client = boto3.client(
                "ecs", region_name=self._config.region, endpoint_url=self._config.endpoint_url, config=limits
            )
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            message = f"ECS: {error}"
            raise (RefusedError if code in _FINAL else RetryError)(message) from None
        except (BotoCoreError, ValueError) as error:
            raise RetryError(f"ECS: {error}", answered=False) from None
