"""Limits of the figures, and what their words mean."""

from spotkeeper.report.blocks import Column, Section, Table, named

_WORDS = (
    (
        "Spot VM",
        "A VM at a large discount that Google may stop at any time. On demand is the same VM at the full list price.",
    ),
    ("Preempted", "Stopped by Google. Lost work is what such a VM did since it last saved, and has to do again."),
    ("VM-hour", "One VM that runs for one hour. The burn rate is what the running VMs cost in an hour."),
    (
        "Unknown",
        "No price is certain, so no cost is shown. Unidentified: something ran, and no source says what it was.",
    ),
    ("Provisional", "An hour that is read once more. Incomplete: a source did not answer, so the figure is too low."),
    ("Stopped, spared", "What the policy of a budget did to a VM, and what it left alone."),
)
_COLUMNS = (Column("word", "Word"), Column("meaning", "Meaning", is_long=True))


def limits() -> Section:
    """Return the section."""
    return Section(
        key="limits",
        name="Limits",
        question="What do these figures not include?",
        tables=(Table("words", "What the words mean", _COLUMNS, [[*map(named, pair)] for pair in _WORDS]),),
        folds_all=True,
        answer=("They are estimates at list price, not the invoice.",),
        points=(
            "List prices of the Cloud Billing Catalog, in US dollars: no negotiated discount, no credit, no tax.",
            (
                "vCPUs, memory, GPUs and local SSD of Spot VMs, where nothing else is said. The total cost, which "
                "budgets compare, also has their licenses, addresses, disks and Tier_1 bandwidth. Neither has network "
                "traffic, snapshots or VMs that are not Spot."
            ),
            (
                "Uptime by the minute, from Cloud Monitoring: Google bills by the second, at least one minute. Minutes "
                "that never reached Cloud Monitoring stay missing."
            ),
            "Prices are read every few hours: a change may take effect some hours late.",
            "Labels are those that the first scan after the hour observed.",
            (
                "On-demand cost is that of the same VMs for the same hours, although they might have run for "
                "a different time."
            ),
            (
                "Where the detailed billing export is configured, the view billing_reconciliation compares these "
                "figures with the charges."
            ),
        ),
    )
