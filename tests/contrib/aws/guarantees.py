"""What the templates promise, each as a function that yields where the promise is broken."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.contrib.aws.templates import World, of_type

Check = Callable[[World], Iterator[str]]
EVERYWHERE = ("0.0.0.0/0", "::/0")
#: People and platform are in different networks here, so that taking one for the other is noticed.
PEOPLE, PLATFORM, VPC = "10.0.0.0/8", "172.16.0.0/12", "10.64.0.0/20"
COMPANY = {"AllowedNetwork": PEOPLE, "PlatformNetwork": PLATFORM, "VpcCidr": VPC, "TransitGatewayId": "tgw-0"}

#: Who is reached by whom, and on which port: by the names of the groups.
ALLOWED = {
    ("Gateway", "LoadBalancer", 8443),
    ("Grafana", "Gateway", 3000),
    ("Grafana", "Exporter", 3000),
    ("Grafana", "Prometheus", 3000),
    ("Prometheus", "Gateway", 9090),
    ("Prometheus", "Grafana", 9090),
    ("Prometheus", "Responder", 9090),
    ("Alertmanager", "Prometheus", 9093),
    ("Exporter", "Prometheus", 19877),
    ("Responder", "Alertmanager", 19878),
    ("Responder", "Prometheus", 19878),
    ("Database", "Exporter", 5432),
    ("Database", "Responder", 5432),
    ("Database", "Grafana", 5432),
    ("Database", "Contract", 5432),
    ("Database", PLATFORM, 5432),
    ("Cache", "Exporter", 6379),
    ("Cache", "Responder", 6379),
    ("Cache", "Gateway", 6379),
    ("Cache", PLATFORM, 6379),
    ("Files", "Prometheus", 2049),
    ("Files", "Alertmanager", 2049),
    ("LoadBalancer", PEOPLE, 443),
}

#: Where each group may go, over TCP, and to which ports. Exporter and responder probe the platform, and act on it.
_PARTS = {(VPC, 0, 65535), ("0.0.0.0/0", 443, 443)}
LEAVE = {
    "LoadBalancer": {(VPC, 8443, 8443)},
    "Gateway": _PARTS,
    "Exporter": _PARTS | {(PLATFORM, 0, 65535)},
    "Responder": _PARTS | {(PLATFORM, 0, 65535)},
    "Prometheus": _PARTS,
    "Alertmanager": _PARTS | {("0.0.0.0/0", 587, 587)},
    "Grafana": _PARTS,
    "Contract": _PARTS,
    "Database": set(),
    "Cache": set(),
    "Files": set(),
}

#: All that the tasks themselves may do in AWS, besides their files on EFS.
TASKS_MAY = {
    "responder": {
        ("ecs:DescribeServices", "arn:aws:ecs:us-east-1:123456789012:service/ticketing/backend"),
        ("ecs:UpdateService", "arn:aws:ecs:us-east-1:123456789012:service/ticketing/backend"),
        ("sns:Publish", "<topics.Security>"),
    },
    "alertmanager": {("sns:Publish", "<topics.Security>"), ("sns:Publish", "<topics.Heartbeat>")},
}
#: What AWS's documentation asks for VPC flow logs: to write to one group, and to find it among the account's.
FLOW_LOG_MAY = {
    (f"logs:{action}", "<network.FlowLogGroup.Arn>") for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
} | {
    (f"logs:{action}", "arn:aws:logs:us-east-1:123456789012:log-group:*")
    for action in ("DescribeLogGroups", "DescribeLogStreams")
}
STARTING = ("ecr:", "logs:", "secretsmanager:GetSecretValue", "kms:Decrypt")


def ports(world: World) -> Iterator[str]:
    """Who may talk to whom is exactly the table above."""
    found = set()
    for (_, name), group in of_type(world, "AWS::EC2::SecurityGroup").items():
        found |= {_entry(f"<groups.{name}>", rule) for rule in group.get("SecurityGroupIngress", [])}
    for rule in of_type(world, "AWS::EC2::SecurityGroupIngress").values():
        found.add(_entry(rule["GroupId"], rule))
    yield from (f"let in: {one}" for one in sorted(found - ALLOWED, key=str))
    yield from (f"not let in: {one}" for one in sorted(ALLOWED - found, key=str))


def _entry(group: str, rule: dict[str, Any]) -> tuple[str, str, int | str]:
    source = rule.get("SourceSecurityGroupId") or rule.get("CidrIp") or str(rule)
    same = rule["IpProtocol"] == "tcp" and rule["FromPort"] == rule["ToPort"]
    return _group(group), _group(source), int(rule["FromPort"]) if same else str(rule)


def _group(text: str) -> str:
    return text.removeprefix("<groups.").removesuffix("Group>")


def ways_out(world: World) -> Iterator[str]:
    """Where each part may go is exactly the table above."""
    found: dict[str, set[tuple[str, int, int]]] = {}
    for (_, name), group in of_type(world, "AWS::EC2::SecurityGroup").items():
        rules = [rule for rule in group["SecurityGroupEgress"] if rule["CidrIp"] != "127.0.0.1/32"]
        yield from (f"{name}: {rule}" for rule in rules if rule["IpProtocol"] != "tcp")
        tcp = [rule for rule in rules if rule["IpProtocol"] == "tcp"]
        leave = {(rule["CidrIp"], int(rule["FromPort"]), int(rule["ToPort"])) for rule in tcp}
        found[name.removesuffix("Group")] = leave
    for name in found.keys() | LEAVE.keys():
        if differing := found.get(name, set()) ^ LEAVE.get(name, set()):
            yield f"{name}: {sorted(differing)}"


def routes(world: World) -> Iterator[str]:
    """In both zones, what is for people or platform goes by the transit gateway: one route for each network."""
    found = Counter(
        (route["RouteTableId"], route["DestinationCidrBlock"])
        for route in of_type(world, "AWS::EC2::Route").values()
        if route.get("TransitGatewayId") == COMPANY["TransitGatewayId"]
    )
    tables = [f"<network.PrivateRouteTable{zone}>" for zone in "AB"]
    wanted = Counter((table, network) for table in tables for network in (PEOPLE, PLATFORM))
    yield from (f"{one}: {found[one]} times" for one in found | wanted if found[one] != wanted[one])


def nothing_public(world: World) -> Iterator[str]:
    """No address of the internet's, and nobody there who could come in."""
    for key, balancer in of_type(world, "AWS::ElasticLoadBalancingV2::LoadBalancer").items():
        if balancer.get("Scheme") != "internal":
            yield f"{key}: Scheme"
    for key, subnet in of_type(world, "AWS::EC2::Subnet").items():
        if subnet.get("MapPublicIpOnLaunch") is not False:
            yield f"{key}: MapPublicIpOnLaunch"
    for key, service in of_type(world, "AWS::ECS::Service").items():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        if network.get("AssignPublicIp") != "DISABLED":
            yield f"{key}: AssignPublicIp"
        if any("Private" not in subnet for subnet in "".join(network["Subnets"]).split(",")):
            yield f"{key}: Subnets {network['Subnets']}"
    for key, database in of_type(world, "AWS::RDS::DBInstance").items():
        if database.get("PubliclyAccessible") is not False:
            yield f"{key}: PubliclyAccessible"
    for key, resource in world.items():
        rules = resource["Properties"].get("SecurityGroupIngress", [])
        rules += [resource["Properties"]] if resource["Type"] == "AWS::EC2::SecurityGroupIngress" else []
        if any(rule.get("CidrIp") in EVERYWHERE or "CidrIpv6" in rule for rule in rules):
            yield f"{key}: everybody"
        route = resource["Properties"] if resource["Type"] == "AWS::EC2::Route" else {}
        if "GatewayId" in route and "Nat" not in route["RouteTableId"]:
            yield f"{key}: a way in"


def encryption(world: World) -> Iterator[str]:
    """At rest and on the way, with keys of our own that rotate, and passwords where there are some."""
    wanted: dict[str, dict[str, Any]] = {
        "AWS::RDS::DBInstance": {
            "StorageEncrypted": True,
            "KmsKeyId": "<secrets.Key.Arn>",
            "ManageMasterUserPassword": True,
            "DBParameterGroupName": "<data.DatabaseSettings>",
        },
        "AWS::ElastiCache::ReplicationGroup": {
            "TransitEncryptionEnabled": True,
            "TransitEncryptionMode": "required",
            "AtRestEncryptionEnabled": True,
            "AuthToken": "{{resolve:secretsmanager:<secrets.RedisPassword>:SecretString}}",
        },
        "AWS::EFS::FileSystem": {"Encrypted": True, "KmsKeyId": "<secrets.Key.Arn>"},
        "AWS::SecretsManager::Secret": {"KmsKeyId": "<secrets.Key.Arn>"},
        "AWS::KMS::Key": {"EnableKeyRotation": True},
        "AWS::ElasticLoadBalancingV2::Listener": {
            "Protocol": "HTTPS",
            "Port": 443,
            "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        },
        "AWS::ElasticLoadBalancingV2::TargetGroup": {"Protocol": "HTTPS", "HealthCheckProtocol": "HTTPS"},
    }
    for kind, properties in wanted.items():
        if not (found := of_type(world, kind)):
            yield f"{kind}: none"
        for key, resource in found.items():
            yield from (f"{key}: {name}" for name, value in properties.items() if resource.get(name) != value)
    for key, settings in of_type(world, "AWS::RDS::DBParameterGroup").items():
        for name, value in (("rds.force_ssl", "1"), ("ssl_min_protocol_version", "TLSv1.2")):
            if settings["Parameters"].get(name) != value:
                yield f"{key}: {name}"
    for key, topic in of_type(world, "AWS::SNS::Topic").items():
        if not topic.get("KmsMasterKeyId"):
            yield f"{key}: KmsMasterKeyId"
    for key, files in of_type(world, "AWS::EFS::FileSystem").items():
        denied = [one for one in files["FileSystemPolicy"]["Statement"] if one["Effect"] == "Deny"]
        if {"Bool": {"aws:SecureTransport": "false"}} not in [one["Condition"] for one in denied]:
            yield f"{key}: FileSystemPolicy"
    for key, task in of_type(world, "AWS::ECS::TaskDefinition").items():
        for volume in task["Volumes"]:
            if "EFSVolumeConfiguration" in volume:
                efs = volume["EFSVolumeConfiguration"]
                if efs.get("TransitEncryption") != "ENABLED" or efs["AuthorizationConfig"].get("IAM") != "ENABLED":
                    yield f"{key}: {volume['Name']}"


def second_factor(world: World) -> Iterator[str]:
    """Nobody is signed in without a one-time password, and nobody by another way."""
    (pool,) = of_type(world, "AWS::Cognito::UserPool").values()
    if pool.get("MfaConfiguration") != "ON":
        yield f"MfaConfiguration is {pool.get('MfaConfiguration')!r}"
    if pool.get("EnabledMfas") != ["SOFTWARE_TOKEN_MFA"]:
        yield "EnabledMfas"
    if "DeviceConfiguration" in pool:
        yield "remembered devices skip it"
    if pool["AdminCreateUserConfig"].get("AllowAdminCreateUserOnly") is not True:
        yield "anybody may sign up"
    if pool["AccountRecoverySetting"]["RecoveryMechanisms"] != [{"Name": "admin_only", "Priority": 1}]:
        yield "a password can be had by mail"
    if of_type(world, "AWS::Cognito::UserPoolIdentityProvider"):
        yield "federation skips it"
    for key, one in of_type(world, "AWS::Cognito::UserPoolClient").items():
        wanted = {
            "SupportedIdentityProviders": ["COGNITO"],
            "AllowedOAuthFlows": ["code"],
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
            "GenerateSecret": True,
        }
        yield from (f"{key}: {name}" for name, value in wanted.items() if one.get(name) != value)
        if any(not url.startswith("https://monitoring.nft-ticketing.com/") for url in one["CallbackURLs"]):
            yield f"{key}: CallbackURLs"
    groups = {group["GroupName"] for group in of_type(world, "AWS::Cognito::UserPoolGroup").values()}
    if groups != {"monitor-viewer", "monitor-editor", "monitor-admin"}:
        yield f"groups {sorted(groups)}"


def roles(world: World) -> Iterator[str]:
    """Tasks may do what the table says; starting one may read its own secrets, and write its own log."""
    for (stack, name), role in of_type(world, "AWS::IAM::Role").items():
        may = {
            (action, resource)
            for policy in role.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
            for action in _list(statement["Action"])
            for resource in _list(statement["Resource"])
        }
        if role.get("ManagedPolicyArns"):
            yield f"{stack}.{name}: managed policies"
        if name == "TaskRole":
            rest = {one for one in may if not one[0].startswith("elasticfilesystem:Client")}
            if rest != TASKS_MAY.get(stack, set()):
                yield f"{stack}.{name}: {sorted(rest ^ TASKS_MAY.get(stack, set()))}"
        elif name == "ExecutionRole":
            (task,) = (one for (where, _), one in of_type(world, "AWS::ECS::TaskDefinition").items() if where == stack)
            shown = {one["ValueFrom"] for part in task["ContainerDefinitions"] for one in part.get("Secrets", [])}
            if {resource for action, resource in may if action.startswith("secretsmanager:")} != shown:
                yield f"{stack}.{name}: secrets"
            yield from (f"{stack}.{name}: {action}" for action, _ in may if not action.startswith(STARTING))
        elif may != FLOW_LOG_MAY:
            yield f"{stack}.{name}: {sorted(may ^ FLOW_LOG_MAY)}"
        for action, resource in may:
            if "*" in action or (resource == "*" and action != "ecr:GetAuthorizationToken"):
                yield f"{stack}.{name}: {action} on {resource}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def secrets(world: World) -> Iterator[str]:
    """Nothing secret is in the environment of a part, in a template, or in what stays readable."""
    for key, secret in of_type(world, "AWS::SecretsManager::Secret").items():
        made = secret.get("GenerateSecretString", {"PasswordLength": 32, "ExcludePunctuation": True})
        given = secret.get("SecretString", "<identity.")
        if made["PasswordLength"] < 32 or not made["ExcludePunctuation"] or not given.startswith("<identity."):
            yield f"{key}: weak or known"
    for (stack, _), task in of_type(world, "AWS::ECS::TaskDefinition").items():
        for part in task["ContainerDefinitions"]:
            if part.get("Secrets") and part["Name"] != "place":
                yield f"{stack}: {part['Name']} has secrets in its environment"


def confined(world: World) -> Iterator[str]:
    """No root, no capabilities, nothing writable but what must be, no shell from outside."""
    for (stack, _), task in of_type(world, "AWS::ECS::TaskDefinition").items():
        for part in task["ContainerDefinitions"]:
            where = f"{stack}: {part['Name']}"
            if part.get("ReadonlyRootFilesystem") is not True:
                yield f"{where}: writable"
            if part["LinuxParameters"]["Capabilities"] != {"Drop": ["ALL"]}:
                yield f"{where}: capabilities"
            if part["Name"] != "place" and part["User"].startswith("0"):
                yield f"{where}: root"
            if part.get("Privileged"):
                yield f"{where}: privileged"
            mounts = [] if part["Name"] == "place" else part.get("MountPoints", [])
            writable = {one["SourceVolume"] for one in mounts if one.get("ReadOnly") is not True}
            if not writable <= {"tmp", "data"}:
                yield f"{where}: {writable}"
    for key, service in of_type(world, "AWS::ECS::Service").items():
        if service.get("EnableExecuteCommand") is not False:
            yield f"{key}: EnableExecuteCommand"


def kept(world: World) -> Iterator[str]:
    """Backups are made, data survive a deletion by mistake, logs are kept and end."""
    (database,) = of_type(world, "AWS::RDS::DBInstance").values()
    if int(database.get("BackupRetentionPeriod", 0)) < 7 or database.get("DeletionProtection") is not True:
        yield "database"
    if str(database.get("MultiAZ")).lower() != "true":
        yield "database: no standby"
    (cache,) = of_type(world, "AWS::ElastiCache::ReplicationGroup").values()
    if not (cache["AutomaticFailoverEnabled"] is cache["MultiAZEnabled"] is True and cache["NumCacheClusters"] >= 2):
        yield "cache: no standby"
    (pool,) = of_type(world, "AWS::Cognito::UserPool").values()
    if pool.get("DeletionProtection") != "ACTIVE":
        yield "people"
    keeping = {"AWS::RDS::DBInstance", "AWS::EFS::FileSystem", "AWS::Cognito::UserPool", "AWS::KMS::Key"}
    for key, resource in world.items():
        if resource["Type"] in keeping and resource.get("DeletionPolicy") not in ("Retain", "Snapshot"):
            yield f"{key}: DeletionPolicy"
        if resource["Type"] == "AWS::Logs::LogGroup" and resource["Properties"].get("RetentionInDays") != 90:
            yield f"{key}: RetentionInDays"


def sizes(world: World) -> Iterator[str]:
    """The blueprint's, and how many of each there are."""
    (database,) = of_type(world, "AWS::RDS::DBInstance").values()
    (cache,) = of_type(world, "AWS::ElastiCache::ReplicationGroup").values()
    found = (database["Engine"], database["DBInstanceClass"], cache["CacheNodeType"])
    if found != ("postgres", "db.t3.medium", "cache.t3.micro"):
        yield str(found)
    counts = {stack: one["DesiredCount"] for (stack, _), one in of_type(world, "AWS::ECS::Service").items()}
    wanted = {"exporter": 2, "responder": 2, "gateway": 2, "grafana": 1, "prometheus": 1, "alertmanager": 1}
    if counts != wanted:
        yield str(counts)
    for key, service in of_type(world, "AWS::ECS::Service").items():
        if service.get("LaunchType") != "FARGATE":
            yield f"{key}: LaunchType"
        alone = key[0] in ("prometheus", "alertmanager")
        if alone and service["DeploymentConfiguration"]["MaximumPercent"] != 100:
            yield f"{key}: two on one store"


def alarms(world: World) -> Iterator[str]:
    """Silence is an alarm, and every alarm is told to the operators."""
    found = {name: one for (_, name), one in of_type(world, "AWS::CloudWatch::Alarm").items()}
    for name, one in found.items():
        if one.get("AlarmActions") != ["<topics.Operators>"] or one.get("ActionsEnabled") is False:
            yield f"{name}: told to nobody"
    for name in ("HeartbeatMissing", "NoGateway"):
        one = found.get(name, {})
        falling = one.get("ComparisonOperator") == "LessThanThreshold" and one.get("Threshold") == 1
        if not falling or one.get("TreatMissingData") != "breaching":
            yield f"{name}: silence is no alarm"
    if found.get("HeartbeatMissing", {}).get("Dimensions") != [
        {"Name": "TopicName", "Value": "<topics.Heartbeat.TopicName>"}
    ]:
        yield "HeartbeatMissing: of another topic"
    if found.get("GatewayUnhealthy", {}).get("MetricName") != "UnHealthyHostCount":
        yield "GatewayUnhealthy"


CHECKS: tuple[Check, ...] = (
    ports,
    ways_out,
    routes,
    nothing_public,
    encryption,
    second_factor,
    roles,
    secrets,
    confined,
    kept,
    sizes,
    alarms,
)
