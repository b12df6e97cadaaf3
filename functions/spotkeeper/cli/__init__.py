"""The command line, one module per command; each is a composition root, like main.py."""
