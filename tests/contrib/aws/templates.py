"""The templates as CloudFormation would resolve them, with the root stack's parameters passed down."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

DIRECTORY = Path(__file__).parents[3] / "contrib" / "aws"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.yml"))
#: What only the one who deploys knows.
GIVEN = {
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000",
    "SignInDomain": "ticketing-monitor",
    "OperatorsEmail": "operators@example.com",
    "ImageRegistry": "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "BackendCluster": "ticketing",
    "BackendService": "backend",
}
PSEUDO = {
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "monitor",
}

Template = dict[str, Any]
Templates = dict[str, Template]
#: By stack and logical name: a resource with `Type` and resolved `Properties`.
World = dict[tuple[str, str], dict[str, Any]]
_GONE = object()


def parsed() -> Templates:
    """Every template, by the name of its file, in long form; free to be changed."""
    return {name: plain(cfn_yaml.load(str(DIRECTORY / f"{name}.yml"))) for name in NAMES}


def plain(node: Any) -> Any:
    """Without the linter's own types."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def resolved(templates: Templates, **given: str) -> World:
    """All resources that the root stack makes, with every value that is known before deploying filled in.

    What is known only afterwards reads `<stack.Resource>` or `<stack.Resource.Attribute>`.
    """
    root = Stack("root", templates["root"], {**GIVEN, **given}, templates)
    return {(stack.name, name): resource for stack in root.all() for name, resource in stack.resources().items()}


class Stack:
    """One template with its parameters."""

    def __init__(self, name: str, template: Template, given: dict[str, Any], templates: Templates) -> None:
        self.name = name
        self.template = template
        self.templates = templates
        declared = template.get("Parameters", {})
        if unknown := given.keys() - declared.keys():
            raise ValueError(f"{name}: no parameter {sorted(unknown)}")
        self.parameters = {key: given[key] if key in given else value["Default"] for key, value in declared.items()}
        self.children: dict[str, Stack] = {}

    def all(self) -> Iterator["Stack"]:
        """This one and those it nests."""
        yield self
        for logical, resource in self.template["Resources"].items():
            if resource["Type"] == "AWS::CloudFormation::Stack":
                yield from self.child(logical).all()

    def child(self, logical: str) -> "Stack":
        """The stack that a resource makes."""
        if logical not in self.children:
            properties = self.template["Resources"][logical]["Properties"]
            name = properties["TemplateURL"].removesuffix(".yml")
            given = self.value(properties.get("Parameters", {}))
            self.children[logical] = Stack(name, self.templates[name], given, self.templates)
        return self.children[logical]

    def resources(self) -> dict[str, dict[str, Any]]:
        """Those whose condition holds."""
        return {
            name: {**resource, "Properties": self.value(resource.get("Properties", {}))}
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def condition(self, name: str) -> bool:
        """A condition by its name."""
        return bool(self.value(self.template["Conditions"][name]))

    def value(self, node: Any) -> Any:
        """A value with its functions carried out."""
        if isinstance(node, list):
            return [found for found in map(self.value, node) if found is not _GONE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), *_ = node.items()
            if function in FUNCTIONS:
                return FUNCTIONS[function](self, argument)
        pairs = ((key, self.value(value)) for key, value in node.items())
        return {key: value for key, value in pairs if value is not _GONE}

    def reference(self, name: str) -> Any:
        """What Ref gives."""
        if name == "AWS::NoValue":
            return _GONE
        if name in PSEUDO:
            return PSEUDO[name]
        return self.parameters.get(name, f"<{self.name}.{name}>")

    def attribute(self, argument: Any) -> Any:
        """What GetAtt gives."""
        logical, _, attribute = (argument if isinstance(argument, str) else ".".join(argument)).partition(".")
        if attribute.startswith("Outputs."):
            child = self.child(logical)
            return child.value(child.template["Outputs"][attribute.removeprefix("Outputs.")]["Value"])
        return f"<{self.name}.{logical}.{attribute}>"

    def substitute(self, argument: Any) -> str:
        """What Sub gives."""
        text, more = (argument, {}) if isinstance(argument, str) else argument

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in more:
                return str(self.value(more[name]))
            return str(self.attribute(name) if "." in name else self.reference(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text)


def _if(stack: Stack, argument: Any) -> Any:
    return stack.value(argument[1] if stack.condition(argument[0]) else argument[2])


def _equals(stack: Stack, argument: Any) -> bool:
    return bool(stack.value(argument[0]) == stack.value(argument[1]))


def _cidr(stack: Stack, argument: Any) -> list[str]:
    from ipaddress import ip_network
    from itertools import islice

    network, count, bits = (stack.value(one) for one in argument)
    return [str(one) for one in islice(ip_network(network).subnets(new_prefix=32 - int(bits)), int(count))]


FUNCTIONS: dict[str, Callable[[Stack, Any], Any]] = {
    "Ref": Stack.reference,
    "Fn::GetAtt": Stack.attribute,
    "Fn::Sub": Stack.substitute,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::Not": lambda stack, argument: not stack.value(argument[0]),
    "Fn::And": lambda stack, argument: all(stack.value(argument)),
    "Condition": Stack.condition,
    "Fn::Join": lambda stack, argument: argument[0].join(stack.value(argument[1])),
    "Fn::Select": lambda stack, argument: stack.value(argument[1])[int(argument[0])],
    "Fn::GetAZs": lambda _stack, _argument: ["us-east-1a", "us-east-1b"],
    "Fn::Cidr": _cidr,
}


def changed(templates: Templates, place: str, value: Any) -> Templates:
    """A copy with another value at `template.Resource.Property…`; list indices are numbers. None removes it.

    Raises:
        KeyError: There is no such place.
    """
    copied = copy.deepcopy(templates)
    name, logical, *path = place.split("/")
    node: Any = copied[name]["Resources"][logical]
    if not path:
        copied[name]["Resources"][logical] = value
        if value is None:
            del copied[name]["Resources"][logical]
        return copied
    for step in path[:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    last: Any = int(path[-1]) if isinstance(node, list) else path[-1]
    if isinstance(node, dict) and last not in node and value is None:
        raise KeyError(place)
    if value is None:
        del node[last]
    elif isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value
    return copied


def of_type(world: World, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The properties of every resource of a type."""
    return {key: resource["Properties"] for key, resource in world.items() if resource["Type"] == kind}
