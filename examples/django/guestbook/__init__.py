"""A guest book in which every guest plants a kernel of corn."""
