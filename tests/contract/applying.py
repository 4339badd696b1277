"""Databases with the contract's files applied, each as small as its tests allow."""

from __future__ import annotations

from pathlib import Path

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres

CONTRACT = Path(__file__).parents[2] / "contract"
FILES = sorted((CONTRACT / "postgresql").glob("*.sql"))
TODAY = "(now() AT TIME ZONE 'UTC')::date"


def apply_files(postgres: Postgres, name: str) -> None:
    """Apply contract/postgresql in order, as an operator would."""
    for file in FILES:
        postgres.execute(file.read_text(), name)


def small_database(
    postgres: Postgres, name: str, first_day: str = f"{TODAY} - 1", last_day: str = f"{TODAY} + 1"
) -> ContractDatabase:
    """Create a database with the contract and the partitions of these days (SQL expressions)."""
    postgres.create_database(name)
    apply_files(postgres, name)
    postgres.execute(f"SELECT platform.create_partitions({first_day}, {last_day})", name)
    return ContractDatabase(postgres, name)
