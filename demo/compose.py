"""Alertmanager's configuration for profile demo of docker-compose.yml: `python -m demo.compose`.

As shipped, but everything goes to the inbox, and the automatic responses to the responder.
"""

import shutil
import sys
from pathlib import Path

import yaml

from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Receivers, demo_config

RENDERED = Path(__file__).parents[1] / "deploy" / "rendered" / "demo"
RECEIVERS = Receivers("http://inbox:8040", 8025, responder_urls=["http://responder:19878/alerts"])


def main(target: Path = RENDERED) -> int:
    """Write alertmanager.yml, templates/ and where the chat is; the secrets are those of `make secrets`."""
    shutil.rmtree(target, ignore_errors=True)
    file = demo_config(SHIPPED_DIRECTORY, target, RECEIVERS)
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["global"]["smtp_smarthost"] = f"inbox:{RECEIVERS.smtp_port}"
    config["global"]["slack_api_url"] = f"{RECEIVERS.inbox_url}/slack/services/T000/B000/demo"
    del config["global"]["slack_api_url_file"]
    for topic in (topic for receiver in config["receivers"] for topic in receiver.get("sns_configs", [])):
        # On AWS the host's role has them; without any, Alertmanager sends nothing. The inbox takes all.
        topic["sigv4"] |= {"access_key": "inbox", "secret_key": "inbox"}
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    shutil.rmtree(target / "secrets", ignore_errors=True)
    chat = f"{RECEIVERS.inbox_url}/slack/services/T000/B000/responder"
    (target / "slack_webhook_url").write_text(chat, encoding="utf-8")
    sys.stdout.write(f"{target}: notifications go to {RECEIVERS.inbox_url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
