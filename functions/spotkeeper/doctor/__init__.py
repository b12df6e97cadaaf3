"""What `doctor` knows: what a deployment is made of, what was found of it, and what that means."""
