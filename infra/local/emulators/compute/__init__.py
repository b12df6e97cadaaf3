"""The emulator of Compute Engine."""
