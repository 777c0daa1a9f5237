"""Whatever may block: the ledger of the jobs, and the lock that several machines share."""
