"""Probes of services: a plain function for each kind, and the schedule they run on."""
