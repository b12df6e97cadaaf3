"""The estimate of a period's spending: the bill, our own cost rows for the hours that the bill lacks, and the rest."""
