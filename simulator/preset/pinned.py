"""The transactions and events whose ages the specification shows: moved along as time goes by."""

from datetime import timedelta

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from simulator import features, transactions
from simulator.instants import DAY, moment
from simulator.keyed import generator
from simulator.preset import figures
from simulator.reference import MODEL_VERSION


class PinnedRows:
    """Keeps four predictions with their labels and five security events at their ages.

    Args:
        seed: of the features the specification leaves open.
    """

    def __init__(self, seed: int) -> None:
        pinned = figures.PREDICTIONS
        rows = transactions.draw(generator(seed, "pinned", 0), np.zeros(len(pinned), np.int64))
        for position, prediction in enumerate(pinned):
            for name, value in prediction.features.items():
                rows[name][position] = value
        self._features = features.json_texts(rows)
        self._addresses: list[str] = rows["source_ip"].tolist()

    def clear(self, connection: Connection) -> None:
        """Delete the history of any other world: its rows would be counted too."""
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE platform.fraud_predictions, platform.fraud_labels, platform.transactions,"
                " platform.security_events, platform.event_launches"
            )

    def repin(self, connection: Connection, now: int) -> None:
        """Move the rows to their ages before ``now`` (microseconds), or write them for the first time."""
        with connection, connection.cursor() as cursor:
            for position in range(len(figures.PREDICTIONS)):
                self._repin_prediction(cursor, position, now)
            for event in figures.EVENTS:
                _repin_event(cursor, event, now)

    def _repin_prediction(self, cursor: Cursor, position: int, now: int) -> None:
        row = figures.PREDICTIONS[position]
        at = moment(now) - timedelta(seconds=row.age)
        cursor.execute(
            "UPDATE platform.fraud_predictions SET predicted_at = %s WHERE transaction_id = %s AND predicted_at > %s",
            (at, row.transaction_id, moment(now - 2 * DAY)),
        )
        if cursor.rowcount == 0:
            cursor.execute(
                "INSERT INTO platform.fraud_predictions VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    *(at, row.transaction_id, row.score, row.decision, row.top_feature, MODEL_VERSION),
                    *(row.wallet, self._addresses[position], self._features[position]),
                ),
            )
        cursor.execute(
            "INSERT INTO platform.fraud_labels VALUES (%s, %s, %s, %s, %s) ON CONFLICT (transaction_id)"
            " DO UPDATE SET predicted_at = excluded.predicted_at, labeled_at = excluded.labeled_at",
            (row.transaction_id, at, row.decision, row.is_fraud, at),
        )


def _repin_event(cursor: Cursor, event: figures.PinnedEvent, now: int) -> None:
    at = moment(now) - timedelta(seconds=event.age)
    cursor.execute(
        "UPDATE platform.security_events SET occurred_at = %s WHERE correlation_id = %s AND occurred_at > %s",
        (at, str(event.correlation_id), moment(now - 2 * DAY)),
    )
    if cursor.rowcount == 0:
        cursor.execute(
            "INSERT INTO platform.security_events"
            " (occurred_at, severity, event_type, message, account, source_ip, correlation_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (at, *event[1:6], str(event.correlation_id)),
        )
