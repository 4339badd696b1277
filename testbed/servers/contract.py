"""A database with the contract in it, as a platform would have it."""

from dataclasses import dataclass

from testbed.contract_files import apply_contract
from testbed.servers.postgres import Postgres

#: Days before today for which partitions are made: few, because a copy of the database costs as much as its files.
DAYS_BACK = 3
#: Days before today that a platform keeps, each a partition that its queries have to leave out.
DAYS_KEPT = 40
#: Days after today, likewise.
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

    def add_partitions(self, days_back: int, days_ahead: int = DAYS_AHEAD) -> None:
        """Make the daily partitions that are missing from so many days ago until so many days from now."""
        self.server.execute(
            f"SELECT platform.create_partitions((now() AT TIME ZONE 'UTC')::date - {days_back},"
            f" (now() AT TIME ZONE 'UTC')::date + {days_ahead})",
            self.name,
        )


def create_contract_database(server: Postgres, name: str, days_back: int = DAYS_BACK) -> ContractDatabase:
    """Create an empty database, apply contract/postgresql in order and make the daily partitions."""
    server.create_database(name)
    return install_contract(server, name, days_back)


def install_contract(server: Postgres, name: str, days_back: int = DAYS_BACK) -> ContractDatabase:
    """Do the same in a database that is there."""
    apply_contract(server.dsn(dbname=name))
    database = ContractDatabase(server, name)
    database.add_partitions(days_back)
    return database
