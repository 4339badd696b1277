"""A database with the contract in it, as a platform would have it."""

from dataclasses import dataclass

from testbed.contract_files import apply_contract
from testbed.servers.postgres import Postgres

#: Days before and after today for which partitions are made.
DAYS_BACK = 40
DAYS_AHEAD = 2


@dataclass(frozen=True)
class ContractDatabase:
    """Connection URIs of one database, by role."""

    server: Postgres
    name: str

    @property
    def dsn(self) -> str:
        """As superuser: plays the platform, which writes."""
        return self.server.dsn(dbname=self.name)

    @property
    def reader_dsn(self) -> str:
        """As monitoring_reader: the exporter and Grafana."""
        return self.server.dsn("monitoring_reader", self.name)

    @property
    def responder_dsn(self) -> str:
        """As monitoring_responder."""
        return self.server.dsn("monitoring_responder", self.name)


def create_contract_database(server: Postgres, name: str) -> ContractDatabase:
    """Create an empty database, apply contract/postgresql in order and make the daily partitions."""
    server.create_database(name)
    return install_contract(server, name)


def install_contract(server: Postgres, name: str) -> ContractDatabase:
    """Do the same in a database that is there."""
    apply_contract(server.dsn(dbname=name))
    server.execute(
        f"SELECT platform.create_partitions((now() AT TIME ZONE 'UTC')::date - {DAYS_BACK},"
        f" (now() AT TIME ZONE 'UTC')::date + {DAYS_AHEAD})",
        name,
    )
    return ContractDatabase(server, name)
