"""`--contract.check`: the first thing to run against a platform.

Connects, and reports what is there, missing, of the wrong type, or not what it should mean; and how to mend it:

    PostgreSQL
      ok       fraud_predictions.timestamp                timestamp with time zone
      WRONG    transactions.timestamp                     200 rows in the future, the newest by 4.0 h
               mend: its times are 4 hours ahead, as if read in a wrong zone; …
      MISSING  fraud_labels                               no such view in schema monitoring
               mend: CREATE VIEW monitoring.fraud_labels, see contract/postgresql/30-views.sql; or declare it absent
    Redis
      ok       kpi:txn_per_hour                           1247
      WRONG    kpi:latency_p95                            0.18 ms cannot be: is it 0.18 s?
               mend: write milliseconds: 180

It reads only, bounded samples, and each question has a timeout.
"""

from exporter.contract_check.check import check

__all__ = ["check"]
