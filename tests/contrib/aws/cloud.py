"""The templates in moto: each as a stack of its own, in the root's order, with the outputs of those before it.

moto knows neither Fn::Cidr nor the outputs of nested stacks, and few attributes: those are worked out here. Of what it
does not make from a template, test_cloud.py makes user pool and cache with the resolved properties instead.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tests.contrib.aws.templates import GIVEN, Stack, Templates

REGION = "us-east-1"
_KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION}


@contextmanager
def deployed(templates: Templates) -> Iterator[dict[str, dict[str, str]]]:
    """Deploy everything; gives the physical id of each resource by template and logical name."""
    # It takes seconds to import, and whoever runs some tests collects all.
    from moto import mock_aws

    with patch.dict(os.environ, _KEYS), mock_aws(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of moto, about each resource that it does not make
        cloudformation = client("cloudformation")
        certificate = client("acm").request_certificate(DomainName="monitoring.nft-ticketing.com")["CertificateArn"]
        root = Stack("root", templates["root"], {**GIVEN, "CertificateArn": certificate}, templates)
        outputs: dict[str, dict[str, str]] = {}
        made: dict[str, dict[str, str]] = {}
        for logical, resource in templates["root"]["Resources"].items():
            child = root.child(logical)
            given = {
                key: _output(value, outputs) or child.parameters[key]
                for key, value in resource["Properties"].get("Parameters", {}).items()
            }
            cloudformation.create_stack(
                StackName=child.name,
                TemplateBody=json.dumps(_known(child.template, child)),
                Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in given.items()],
                Capabilities=["CAPABILITY_IAM"],
            )
            (stack,) = cloudformation.describe_stacks(StackName=child.name)["Stacks"]
            assert stack["StackStatus"] == "CREATE_COMPLETE"
            outputs[logical] = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
            found = cloudformation.describe_stack_resources(StackName=child.name)["StackResources"]
            made[child.name] = {
                one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found if one.get("PhysicalResourceId")
            }
        yield made


def client(service: str) -> Any:
    """A client of moto's."""
    import boto3

    return boto3.client(service, region_name=REGION)


def _output(value: Any, outputs: dict[str, dict[str, str]]) -> str | None:
    match value:
        case {"Fn::GetAtt": [str(logical), str(attribute)]} if attribute.startswith("Outputs."):
            found = outputs[logical].get(attribute.removeprefix("Outputs."))
            return found if isinstance(found, str) and found and "{" not in found else None
    return None


def _known(node: Any, stack: Stack) -> Any:
    """Without what moto does not make, and with what refers to it worked out."""
    match node:
        case {"Resources": resources, **rest}:
            kept = {name: one for name, one in resources.items() if _is_made(one["Type"])}
            return {**_known(rest, stack), "Resources": {name: _known(one, stack) for name, one in kept.items()}}
        case {"Fn::GetAtt": [str(name), "Arn" | "AllocationId"]} if name not in _missing(stack):
            return node
        case {"Fn::Select": [_, {"Fn::Cidr": _}]} | {"Fn::GetAtt": _} | {"Fn::Sub": _}:
            return stack.value(node)
        case {"Fn::If": [condition, yes, no]}:
            return _known(yes if stack.condition(condition) else no, stack)
        case {"Ref": str(name)} if name in _missing(stack):
            return stack.value(node)
        case {"Properties": {"DBParameterGroupName": _, **properties}, **rest}:
            return _known({**rest, "Properties": properties}, stack)  # moto fails on it
        case dict():
            return {key: _known(value, stack) for key, value in node.items()}
        case list():
            return [found for value in node if (found := _known(value, stack)) != {"Ref": "AWS::NoValue"}]
    return node


def _missing(stack: Stack) -> set[str]:
    return {name for name, one in stack.template["Resources"].items() if not _is_made(one["Type"])}


def _is_made(kind: str) -> bool:
    """Whether moto makes such a resource from a template."""
    from moto.cloudformation.parsing import resource_class_from_type

    return resource_class_from_type(kind) is not None
