"""What Alertmanager notifies, on the loopback: PagerDuty, Slack, SMTP, SNS, a heartbeat service, a responder.

It answers as those do, keeps what arrives, and shows it on a page and as JSON. ``python -m testbed.inbox``.
"""
