"""The Django project that `make demo` serves with corn."""
