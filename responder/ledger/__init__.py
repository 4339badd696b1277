"""The ledger in PostgreSQL (contract/postgresql/50-responder.sql): everything that must survive a crash."""
