"""Rows to PostgreSQL by COPY, and nothing else."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from simulator import features, instants, transactions
from simulator.demand import Launch
from simulator.events import SecurityEvent
from simulator.instants import moment
from simulator.reference import MODEL_VERSION
from simulator.transactions import Rows

# Labels that are known or will be: ``at`` is the time of the prediction; both in microseconds.
LABEL_DTYPE = np.dtype(
    [("transaction_id", "U20"), ("at", "i8"), ("decision", "U8"), ("is_fraud", "?"), ("labelled_at", "i8")]
)
Labels = NDArray[np.void]

PREDICTION_COLUMNS = (
    "predicted_at, transaction_id, fraud_score, decision, top_feature, model_version, wallet, source_ip, features"
)
TRANSACTION_COLUMNS = "occurred_at, transaction_id, kind, amount_usd, platform_fee_usd"
LABEL_COLUMNS = "transaction_id, predicted_at, decision, is_fraud, labeled_at"


def copy(cursor: Cursor, table: str, columns: str, lines: Iterable[str], option: str = "") -> None:
    """COPY lines in the text format, each without its newline, into the columns of a table."""
    text = io.StringIO("".join(f"{line}\n" for line in lines))
    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN {option}", text)


def prediction_lines(rows: Rows, decisions: Sequence[str]) -> list[str]:
    """Return the COPY line of each row, without its instant and identifier at the front."""
    return [
        f"{score}\t{decision}\t{top}\t{MODEL_VERSION}\t{wallet}\t{address}\t{document}"
        for score, decision, top, wallet, address, document in zip(
            rows["score"].tolist(),
            decisions,
            features.top_texts(rows),
            rows["wallet"].tolist(),
            rows["source_ip"].tolist(),
            features.json_texts(rows),
            strict=True,
        )
    ]


def transaction_lines(rows: Rows) -> list[str]:
    """Return the COPY line of each row, without its instant and identifier at the front."""
    return [
        f"{'purchase' if purchase else 'transfer'}\t{amount / 100:.2f}\t{fee / 100:.2f}"
        for purchase, amount, fee in zip(
            rows["is_purchase"].tolist(), rows["amount_cents"].tolist(), rows["fee_cents"].tolist(), strict=True
        )
    ]


def write_rows(cursor: Cursor, rows: Rows, review: float, block: float) -> None:
    """Write predictions and transactions of the rows under the thresholds in force."""
    scored = rows[rows["scored"]]
    if len(scored):
        lines = prediction_lines(scored, transactions.decisions(scored, review, block))
        copy(cursor, "platform.fraud_predictions", PREDICTION_COLUMNS, _with_heads(scored, lines))
    sold = rows[transactions.sold(rows, block)]
    if len(sold):
        copy(cursor, "platform.transactions", TRANSACTION_COLUMNS, _with_heads(sold, transaction_lines(sold)))


def write_labels(cursor: Cursor, labels: Labels) -> None:
    """Write labels; one that is there already stays as it is."""
    if not len(labels):
        return
    cursor.execute("CREATE TEMP TABLE IF NOT EXISTS new_labels (LIKE platform.fraud_labels) ON COMMIT DELETE ROWS")
    lines = (
        f"{label}\t{at}\t{decision}\t{'t' if is_fraud else 'f'}\t{labelled_at}"
        for label, at, decision, is_fraud, labelled_at in zip(
            labels["transaction_id"].tolist(),
            instants.texts(labels["at"]),
            labels["decision"].tolist(),
            labels["is_fraud"].tolist(),
            instants.texts(labels["labelled_at"]),
            strict=True,
        )
    )
    copy(cursor, "new_labels", LABEL_COLUMNS, lines)
    cursor.execute("INSERT INTO platform.fraud_labels SELECT * FROM new_labels ON CONFLICT DO NOTHING")


def write_events(cursor: Cursor, events: Sequence[SecurityEvent]) -> None:
    """Write security events; the database numbers them."""
    if events:
        cursor.executemany(
            "INSERT INTO platform.security_events"
            " (occurred_at, severity, event_type, message, account, source_ip, correlation_id)"
            " VALUES (%s, %s, %s, %s, %s, %s::inet, %s::uuid)",
            [(moment(e.at), *e[1:6], str(e.correlation_id) if e.correlation_id else None) for e in events],
        )


def write_launches(cursor: Cursor, launches: Sequence[Launch]) -> None:
    """Write on-sales; one that was announced before gets its new end."""
    for launch in launches:
        cursor.execute(
            "INSERT INTO platform.event_launches VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (event_id) DO UPDATE SET ends_at = excluded.ends_at",
            (launch.event_id, launch.name, moment(launch.starts_at), moment(launch.ends_at)),
        )


def _with_heads(rows: Rows, lines: Sequence[str]) -> Iterable[str]:
    identifiers = rows["transaction_id"].tolist()
    for at, identifier, line in zip(instants.texts(rows["at"]), identifiers, lines, strict=True):
        yield f"{at}\t{identifier}\t{line}"
