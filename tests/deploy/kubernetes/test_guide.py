"""What the guide gives to copy."""

import re
from typing import Any

import yaml

from tests.deploy.kubernetes.manifests import ROOT

GUIDE = (ROOT / "docs" / "deploy-kubernetes.md").read_text()


def objects() -> dict[str, Any]:
    """Every object of the guide by its kind."""
    blocks = re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```$", GUIDE)
    found = [document for block in blocks for document in yaml.safe_load_all(block)]
    return {document["kind"]: document for document in found if "kind" in document}


def test_a_drained_prometheus_keeps_its_history_and_the_other_one_runs() -> None:
    found = objects()
    prometheus, budget = found["Prometheus"]["spec"], found["PodDisruptionBudget"]
    claim = prometheus["storage"]["volumeClaimTemplate"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["resources"]["requests"]["storage"] == "20Gi"
    (spread,) = prometheus["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert budget["spec"]["minAvailable"] < prometheus["replicas"]
    # The operator's own labels of the Pods of this object.
    pods = {
        "app.kubernetes.io/name": "prometheus",
        "app.kubernetes.io/instance": found["Prometheus"]["metadata"]["name"],
    }
    assert spread["labelSelector"] == budget["spec"]["selector"] == {"matchLabels": pods}
    assert budget["metadata"]["namespace"] == found["Prometheus"]["metadata"]["namespace"]


def test_the_volume_holds_the_retention() -> None:
    """With the samples a second, and the bytes of each, that the guide names."""
    rate, size = map(int, re.findall(r"\((\d+) samples a second, (\d+) bytes each\)", GUIDE)[0])
    prometheus = objects()["Prometheus"]["spec"]
    days = int(prometheus["retention"].removesuffix("d"))
    gib = prometheus["storage"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")
    assert rate * size * days * 86_400 < int(gib) * 2**30 * 0.7
