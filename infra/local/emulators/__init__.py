"""Emulators of the Google Cloud services that the functions call."""
