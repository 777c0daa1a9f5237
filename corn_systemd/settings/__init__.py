"""What an operator may set: kinds (what a value is), sections (THE declarations), load and render."""
