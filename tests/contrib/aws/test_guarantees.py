"""Each guarantee holds for the templates as they are, and a broken copy of it is noticed."""

from typing import Any, NamedTuple

import pytest

from tests.contrib.aws import guarantees
from tests.contrib.aws.guarantees import CHECKS, COMPANY, PEOPLE, VPC, Check
from tests.contrib.aws.templates import changed, of_type, parsed, resolved

TEMPLATES = parsed()
EVERYBODY = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
MAY = "TaskRole/Properties/Policies/0/PolicyDocument/Statement"


class Broken(NamedTuple):
    """A place in a template, and the value that breaks the guarantee; None takes it away."""

    check: Check
    place: str
    value: Any = None


BROKEN = (
    Broken(guarantees.ports, "groups/PrometheusToExporter/Properties/ToPort", 8011),
    Broken(guarantees.ports, "groups/GatewayToGrafana/Properties/SourceSecurityGroupId", {"Ref": "LoadBalancerGroup"}),
    Broken(guarantees.ports, "groups/PlatformToCache/Properties/CidrIp", "10.0.0.0/7"),
    Broken(guarantees.ports, "groups/AlertmanagerToResponder"),
    Broken(guarantees.ports, "groups/LoadBalancerToGateway/Properties/IpProtocol", "-1"),
    Broken(guarantees.ways_out, "groups/ExporterGroup/Properties/SecurityGroupEgress/2"),
    Broken(guarantees.ways_out, "groups/ResponderGroup/Properties/SecurityGroupEgress/2"),
    Broken(guarantees.ways_out, "groups/ExporterGroup/Properties/SecurityGroupEgress/2/Fn::If/1/CidrIp", PEOPLE),
    Broken(guarantees.ways_out, "groups/GrafanaGroup/Properties/SecurityGroupEgress/1/FromPort", 0),
    Broken(guarantees.ways_out, "groups/DatabaseGroup/Properties/SecurityGroupEgress/0/CidrIp", "0.0.0.0/0"),
    Broken(guarantees.routes, "network/PlatformRouteA"),
    Broken(guarantees.routes, "network/PlatformRouteB"),
    Broken(guarantees.routes, "network/CompanyRouteA"),
    Broken(guarantees.routes, "network/PlatformRouteB/Properties/DestinationCidrBlock", {"Ref": "AllowedNetwork"}),
    Broken(guarantees.routes, "network/PlatformRouteA/Properties/RouteTableId", {"Ref": "PrivateRouteTableB"}),
    Broken(guarantees.routes, "root/Network/Properties/Parameters/PlatformNetwork"),
    Broken(guarantees.nothing_public, "groups/LoadBalancerGroup/Properties/SecurityGroupIngress/0", EVERYBODY),
    Broken(guarantees.nothing_public, "groups/PlatformToDatabase/Properties/CidrIp", "0.0.0.0/0"),
    Broken(guarantees.nothing_public, "gateway/LoadBalancer/Properties/Scheme", "internet-facing"),
    Broken(guarantees.nothing_public, "gateway/LoadBalancer/Properties/Scheme"),
    Broken(guarantees.nothing_public, "network/NatSubnetA/Properties/MapPublicIpOnLaunch", True),
    Broken(guarantees.nothing_public, "network/PrivateRouteA/Properties/GatewayId", {"Ref": "InternetGateway"}),
    Broken(guarantees.nothing_public, "data/Database/Properties/PubliclyAccessible", True),
    Broken(
        guarantees.nothing_public,
        "grafana/Service/Properties/NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp",
        "ENABLED",
    ),
    Broken(guarantees.encryption, "data/DatabaseSettings/Properties/Parameters/rds.force_ssl", "0"),
    Broken(guarantees.encryption, "data/Database/Properties/StorageEncrypted", False),
    Broken(guarantees.encryption, "data/Database/Properties/DBParameterGroupName", "default.postgres17"),
    Broken(guarantees.encryption, "data/Database/Properties/ManageMasterUserPassword"),
    Broken(guarantees.encryption, "data/Cache/Properties/TransitEncryptionEnabled", False),
    Broken(guarantees.encryption, "data/Cache/Properties/TransitEncryptionMode", "preferred"),
    Broken(guarantees.encryption, "data/Cache/Properties/AtRestEncryptionEnabled"),
    Broken(guarantees.encryption, "data/Cache/Properties/AuthToken"),
    Broken(guarantees.encryption, "data/Files/Properties/Encrypted", False),
    Broken(guarantees.encryption, "data/Files/Properties/FileSystemPolicy/Statement/0"),
    Broken(guarantees.encryption, "alertmanager/Task/Properties/Volumes/2/EFSVolumeConfiguration/TransitEncryption"),
    Broken(guarantees.encryption, "gateway/Listener/Properties/Protocol", "HTTP"),
    Broken(guarantees.encryption, "gateway/Listener/Properties/SslPolicy", "ELBSecurityPolicy-2016-08"),
    Broken(guarantees.encryption, "gateway/Targets/Properties/Protocol", "HTTP"),
    Broken(guarantees.encryption, "secrets/Key/Properties/EnableKeyRotation", False),
    Broken(guarantees.encryption, "secrets/SmtpPassword/Properties/KmsKeyId"),
    Broken(guarantees.encryption, "topics/Operators/Properties/KmsMasterKeyId"),
    Broken(guarantees.second_factor, "identity/People/Properties/MfaConfiguration", True),  # ON without quotes
    Broken(guarantees.second_factor, "identity/People/Properties/MfaConfiguration", "OPTIONAL"),
    Broken(guarantees.second_factor, "identity/People/Properties/EnabledMfas", ["SMS_MFA"]),
    Broken(guarantees.second_factor, "identity/People/Properties/AdminCreateUserConfig", {}),
    Broken(
        guarantees.second_factor,
        "identity/People/Properties/DeviceConfiguration",
        {"DeviceOnlyRememberedOnUserPrompt": True},
    ),
    Broken(
        guarantees.second_factor,
        "identity/People/Properties/AccountRecoverySetting/RecoveryMechanisms/0/Name",
        "verified_email",
    ),
    Broken(
        guarantees.second_factor, "identity/GateClient/Properties/SupportedIdentityProviders", ["COGNITO", "Google"]
    ),
    Broken(guarantees.second_factor, "identity/GrafanaClient/Properties/AllowedOAuthFlows", ["code", "implicit"]),
    Broken(guarantees.second_factor, "identity/GateClient/Properties/ExplicitAuthFlows/0", "ALLOW_USER_PASSWORD_AUTH"),
    Broken(guarantees.second_factor, "identity/GateClient/Properties/CallbackURLs/0", "https://example.com/"),
    Broken(guarantees.second_factor, "identity/Viewers/Properties/GroupName", "viewers"),
    Broken(guarantees.roles, f"responder/{MAY}/0/Resource", "*"),
    Broken(guarantees.roles, f"responder/{MAY}/0/Action", ["ecs:DescribeServices", "ecs:*"]),
    Broken(
        guarantees.roles, f"responder/{MAY}/0/Action", ["ecs:DescribeServices", "ecs:UpdateService", "ecs:StopTask"]
    ),
    Broken(guarantees.roles, f"responder/{MAY}/1/Resource", {"Ref": "BackendService"}),
    Broken(guarantees.roles, f"responder/{MAY}/1"),
    Broken(
        guarantees.roles, "gateway/TaskRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    ),
    Broken(
        guarantees.roles,
        "exporter/ExecutionRole/Properties/Policies/0/PolicyDocument/Statement/3/Resource/2",
        {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:*"},
    ),
    Broken(guarantees.roles, "network/FlowLogRole/Properties/Policies/0/PolicyDocument/Statement/1"),
    Broken(guarantees.roles, "network/FlowLogRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
    Broken(guarantees.secrets, "secrets/ResponderToken/Properties/GenerateSecretString/PasswordLength", 8),
    Broken(guarantees.secrets, "secrets/ResponderToken/Properties/SecretString", "changeme"),
    Broken(
        guarantees.secrets,
        "exporter/Task/Properties/ContainerDefinitions/1/Secrets",
        [{"Name": "POSTGRES_DSN", "ValueFrom": {"Ref": "ReaderPasswordArn"}}],
    ),
    Broken(guarantees.confined, "grafana/Task/Properties/ContainerDefinitions/1/User", "0:0"),
    Broken(guarantees.confined, "grafana/Task/Properties/ContainerDefinitions/1/ReadonlyRootFilesystem", False),
    Broken(guarantees.confined, "gateway/Task/Properties/ContainerDefinitions/2/LinuxParameters/Capabilities", {}),
    Broken(guarantees.confined, "gateway/Task/Properties/ContainerDefinitions/1/MountPoints/1/ReadOnly", False),
    Broken(guarantees.confined, "responder/Service/Properties/EnableExecuteCommand", True),
    Broken(guarantees.kept, "data/Database/Properties/BackupRetentionPeriod", 0),
    Broken(guarantees.kept, "data/Database/Properties/DeletionProtection", False),
    Broken(guarantees.kept, "data/Database/DeletionPolicy", "Delete"),
    Broken(guarantees.kept, "data/Cache/Properties/AutomaticFailoverEnabled", False),
    Broken(guarantees.kept, "identity/People/Properties/DeletionProtection", "INACTIVE"),
    Broken(guarantees.kept, "exporter/Logs/Properties/RetentionInDays"),
    Broken(guarantees.sizes, "data/Database/Properties/DBInstanceClass", "db.t3.small"),
    Broken(guarantees.sizes, "responder/Service/Properties/DesiredCount", 1),
    Broken(guarantees.sizes, "prometheus/Service/Properties/DeploymentConfiguration/MaximumPercent", 200),
    Broken(guarantees.alarms, "alarms/HeartbeatMissing"),
    Broken(guarantees.alarms, "alarms/HeartbeatMissing/Properties/TreatMissingData", "notBreaching"),
    Broken(guarantees.alarms, "alarms/HeartbeatMissing/Properties/AlarmActions", []),
    Broken(guarantees.alarms, "alarms/HeartbeatMissing/Properties/Dimensions/0/Value", "another"),
    Broken(guarantees.alarms, "alarms/NoGateway/Properties/ComparisonOperator", "GreaterThanThreshold"),
    Broken(guarantees.alarms, "alarms/GatewayUnhealthy"),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_holds(check: Check) -> None:
    assert list(check(resolved(TEMPLATES, **COMPANY))) == []


def test_holds_with_the_managed_store_but_for_what_it_needs() -> None:
    world = resolved(TEMPLATES, MetricsStore="managed", **COMPANY)
    found = [one for check in CHECKS for one in check(world)]
    # Prometheus may write to the workspace, Grafana may read it, and nothing else differs.
    assert len(found) == 2
    assert all("'aps:" in one and "<prometheus.Workspace" in one for one in found)
    assert not any(word in one for one in found for word in ("Create", "Delete", "Put", "'*'"))


@pytest.mark.parametrize("platform", [PEOPLE, VPC])
def test_nothing_is_allowed_or_routed_twice(platform: str) -> None:
    """AWS refuses a second rule or route for the same network: the platform may be where the people are, or inside."""
    world = resolved(TEMPLATES, **{**COMPANY, "PlatformNetwork": platform})
    found = [one for one in of_type(world, "AWS::EC2::Route").values() if "TransitGatewayId" in one]
    assert [one["DestinationCidrBlock"] for one in found] == [PEOPLE, PEOPLE]
    for group in of_type(world, "AWS::EC2::SecurityGroup").values():
        rules = [(one["CidrIp"], one.get("FromPort")) for one in group["SecurityGroupEgress"]]
        assert len(rules) == len(set(rules))


def test_without_a_transit_gateway_nothing_is_routed_there() -> None:
    world = resolved(TEMPLATES, **{**COMPANY, "TransitGatewayId": ""})
    assert not [one for one in of_type(world, "AWS::EC2::Route").values() if "TransitGatewayId" in one]
    assert not of_type(world, "AWS::EC2::TransitGatewayAttachment")


@pytest.mark.parametrize("broken", BROKEN, ids=[f"{one.place} = {one.value}"[:110] for one in BROKEN])
def test_a_broken_copy_is_noticed(broken: Broken) -> None:
    world = resolved(changed(TEMPLATES, broken.place, broken.value), **COMPANY)
    assert list(broken.check(world)) != []


def test_every_check_is_broken_at_least_twice() -> None:
    times = [sum(one.check is check for one in BROKEN) for check in CHECKS]
    assert min(times) >= 2
