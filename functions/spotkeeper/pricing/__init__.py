"""From the SKUs of the Cloud Billing Catalog to the price of an instance."""
