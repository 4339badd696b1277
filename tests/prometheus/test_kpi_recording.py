"""The recording rule of contract/README.md makes our KPI of a platform's own histogram."""

from __future__ import annotations

import re
from pathlib import Path

from tests.prometheus.promtool import promtool

ROOT = Path(__file__).parents[2]
BUCKET = 'http_request_duration_seconds_bucket{path="/api/v1/ml/predict/fraud",instance="app-%s",le="%s"}'
# Of 100 requests a minute and instance 90 take up to 50 ms, all up to 100 ms; nobody calls from the 20th minute on.
TEST = """
rule_files: [example.yml, {kpis}]
evaluation_interval: 15s
tests:
  - interval: 1m
    input_series:
{series}
    promql_expr_test:
      - expr: round(ticketing_kpi_api_latency_p95_seconds, 1e-6)
        eval_time: 10m
        exp_samples: [{{labels: '{{platform="main"}}', value: 0.075}}]
      - expr: round(ticketing:kpi_api_latency_p95_seconds:max, 1e-6)
        eval_time: 10m
        exp_samples: [{{labels: '{{platform="main"}}', value: 0.075}}]
      - expr: ticketing_kpi_api_latency_p95_seconds
        eval_time: 30m
        exp_samples: []
"""


def test_the_rule_of_the_guide(tmp_path: Path) -> None:
    guide = (ROOT / "contract/README.md").read_text()
    (example,) = re.findall(r"```yaml\n(groups:\n  - name: platform-kpis.*?)```", guide, re.DOTALL)
    (tmp_path / "example.yml").write_text(example)
    counts = {"0.05": 90, "0.1": 100, "+Inf": 100}
    series = "\n".join(
        f"      - {{series: '{BUCKET % (instance, le)}', values: '0+{count}x20 {20 * count}x20'}}"
        for instance in "ab"
        for le, count in counts.items()
    )
    test = tmp_path / "test.yml"
    test.write_text(TEST.format(kpis=ROOT / "prometheus/rules/kpis.yml", series=series))
    run = promtool("test", "rules", test)
    assert run.returncode == 0, run.stdout + run.stderr
