"""Alertmanager's webhook → actions on the platform, each exactly once."""
