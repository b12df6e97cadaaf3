"""The only code that talks to Google Cloud: one module for each service, each hiding its client library."""
