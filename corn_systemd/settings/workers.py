"""What `workers.count = "auto"` comes to. Pure: the CPUs are an argument."""


def auto(cpus: float) -> int:
    """Two workers for each CPU that may be used, and one more; never fewer than two, so that one long
    request is not the whole service.

    The rule is gunicorn's, and old: while one of the two waits for a database the other computes.
    """
    return max(2, int(2 * cpus) + 1)
