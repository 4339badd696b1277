"""What moto makes of the templates."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contrib.aws.cloud import client, deployed
from tests.contrib.aws.templates import parsed, resolved

Made = dict[str, dict[str, str]]
WORLD = resolved(parsed())


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    with deployed(parsed()) as found:
        yield found


def test_every_template_deploys(made: Made) -> None:
    assert made.keys() == parsed().keys() - {"root"}


def test_nobody_gets_in_from_the_internet(made: Made) -> None:
    groups = client("ec2").describe_security_groups(GroupIds=group_ids(made))["SecurityGroups"]
    assert len(groups) == 11
    for group in groups:
        for rule in group["IpPermissions"]:
            assert rule["IpProtocol"] == "tcp"
            assert rule["FromPort"] == rule["ToPort"]
            assert [one["CidrIp"] for one in rule["IpRanges"]] in ([], ["10.0.0.0/8"])
            assert rule["Ipv6Ranges"] == []
    (balancer,) = client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    for subnet in client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [balancer["VpcId"]]}])[
        "Subnets"
    ]:
        assert subnet["MapPublicIpOnLaunch"] is False


def test_ports(made: Made) -> None:
    names = {made["groups"][name]: name.removesuffix("Group") for name in made["groups"] if name.endswith("Group")}
    groups = client("ec2").describe_security_groups(GroupIds=group_ids(made))["SecurityGroups"]
    found = {
        (names[group["GroupId"]], names[pair["GroupId"]], rule["FromPort"])
        for group in groups
        for rule in group["IpPermissions"]
        for pair in rule["UserIdGroupPairs"]
    }
    assert ("Exporter", "Prometheus", 19877) in found
    assert ("Gateway", "LoadBalancer", 8443) in found
    assert {port for to, _, port in found if to == "Database"} == {5432}
    assert {source for to, source, _ in found if to == "Gateway"} == {"LoadBalancer"}


@pytest.mark.usefixtures("made")
def test_the_listener_speaks_tls_alone() -> None:
    elb = client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["DefaultActions"][0]["Type"] == "fixed-response"
    (targets,) = elb.describe_target_groups()["TargetGroups"]
    assert (targets["Port"], targets["Protocol"]) == (8443, "HTTPS")


@pytest.mark.usefixtures("made")
def test_database_and_files_are_encrypted() -> None:
    (database,) = client("rds").describe_db_instances()["DBInstances"]
    assert database["DBInstanceClass"] == "db.t3.medium"
    assert database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False
    assert database["BackupRetentionPeriod"] == 14
    (files,) = client("efs").describe_file_systems()["FileSystems"]
    assert files["Encrypted"] is True


def test_cache_as_its_interface_takes_it() -> None:
    from moto import mock_aws

    properties = dict(WORLD["data", "Cache"]["Properties"])
    wanted: tuple[str, ...] = (
        "ReplicationGroupDescription",
        "Engine",
        "CacheNodeType",
        "NumCacheClusters",
        "AutomaticFailoverEnabled",
    )
    wanted += ("MultiAZEnabled", "TransitEncryptionEnabled", "AtRestEncryptionEnabled", "KmsKeyId")
    with mock_aws():
        arguments = {key: properties[key] for key in wanted}
        cache = client("elasticache")
        cache.create_replication_group(ReplicationGroupId="cache", AuthToken="s" * 64, **arguments)
        (group,) = cache.describe_replication_groups()["ReplicationGroups"]
    assert group["TransitEncryptionEnabled"] is True
    assert group["AtRestEncryptionEnabled"] is True
    assert group["CacheNodeType"] == "cache.t3.micro"


def test_nobody_signs_in_with_a_password_alone() -> None:
    """The user pool of the template, and a person who knows a password."""
    from moto import mock_aws

    properties: dict[str, Any] = WORLD["identity", "People"]["Properties"]
    with mock_aws():
        cognito = client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="people", MfaConfiguration=properties["MfaConfiguration"])
        identity = pool["UserPool"]["Id"]
        cognito.set_user_pool_mfa_config(
            UserPoolId=identity,
            SoftwareTokenMfaConfiguration={"Enabled": "SOFTWARE_TOKEN_MFA" in properties["EnabledMfas"]},
            MfaConfiguration=properties["MfaConfiguration"],
        )
        found = cognito.get_user_pool_mfa_config(UserPoolId=identity)
    assert found["MfaConfiguration"] == "ON"
    assert found["SoftwareTokenMfaConfiguration"] == {"Enabled": True}


def test_what_the_responder_may_do(made: Made) -> None:
    iam = client("iam")
    role = made["responder"]["TaskRole"]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    backend, publish = (yaml.safe_load(str(document)))["Statement"]
    assert backend["Action"] == ["ecs:DescribeServices", "ecs:UpdateService"]
    assert backend["Resource"].endswith(":service/ticketing/backend")
    assert publish["Action"] == "sns:Publish"
    assert publish["Resource"] == made["topics"]["Security"]


@pytest.mark.usefixtures("made")
def test_one_task_definition_a_part() -> None:
    ecs = client("ecs")
    families = {arn.rpartition("/")[2].rpartition(":")[0] for arn in ecs.list_task_definitions()["taskDefinitionArns"]}
    assert {family.rpartition("-")[2] for family in families} == {
        "alertmanager",
        "exporter",
        "gateway",
        "grafana",
        "prometheus",
        "responder",
    }


def group_ids(made: Made) -> list[str]:
    return [identity for name, identity in made["groups"].items() if name.endswith("Group")]
