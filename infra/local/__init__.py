"""The product's whole world on one machine: stand-ins for Google Cloud, and the launchers that start them."""
