"""Jobs: when they are due (schedule), and which of them are to be started now (agenda). Rules without clock,
randomness or processes, but for `local`, which asks the machine for its time zone."""
