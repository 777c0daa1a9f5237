from hypothesis import settings

# No example may fail because a busy machine gave it no time: timings are benchmarks.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")
