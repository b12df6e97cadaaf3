"""The product's whole world on one machine: emulators for Google Cloud, and the launchers that start them."""
