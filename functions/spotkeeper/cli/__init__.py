"""The operator's command line, one module per command; like main.py, a place where everything is put together."""
