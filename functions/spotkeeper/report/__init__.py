"""The report: one page that says what Spot VMs cost, made of the rows of the views.

It needs the packages altair and vl-convert-python, which what runs in the cloud neither has nor loads.
"""
