"""The report: one page about the cost of Spot VMs, from the rows of the views.

It also needs the packages altair and vl-convert-python, which what runs in the cloud neither has nor loads.
"""
