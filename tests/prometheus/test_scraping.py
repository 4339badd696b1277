"""What README.md says of scraping an exporter with TLS and users is what Prometheus takes."""

import textwrap
from pathlib import Path

import yaml

from tests.prometheus.promtool import promtool

ROOT = Path(__file__).parents[2]


def test_the_jobs_of_the_exporter_load_with_tls_and_a_user(tmp_path: Path) -> None:
    snippets = [part.partition("   ```\n")[0] for part in (ROOT / "README.md").read_text().split("```yaml\n")[1:]]
    (snippet,) = (part for part in snippets if "scheme: https" in part)
    secured = yaml.safe_load(textwrap.dedent(snippet).replace("/etc/prometheus", str(tmp_path)))
    for name in ("exporter-ca.pem", "exporter-password"):
        (tmp_path / name).write_text("x")
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    jobs = [job for job in config["scrape_configs"] if job["job_name"].startswith("ticketing-")]
    assert len(jobs) == 3
    for job in jobs:
        job |= secured
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config | {"rule_files": []}))
    result = promtool("check", "config", file)
    assert result.returncode == 0, result.stderr
