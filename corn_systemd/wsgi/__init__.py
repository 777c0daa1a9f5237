"""The Web Server Gateway Interface (PEP 3333): its environ, its rules, and where the application is."""
