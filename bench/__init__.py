"""`make bench`: what a request, a start and a worker cost, corn beside its peers in one interleaved run.

loads.py says what is asked, servers.py who answers, cost.py how CPU time and memory are read from the kernel,
trial.py runs one server under one load, report.py prints. A new load or server is one more row. refork.py is
run by itself: what refork_after saves.
"""
