"""The checks of a deployment: what `terraform plan` cannot show, and what was changed by hand."""
