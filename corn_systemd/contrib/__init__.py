"""What joins corn to a framework: called by jobs, in the application's interpreter, as the application's own
code. Nothing of corn's imports it."""
