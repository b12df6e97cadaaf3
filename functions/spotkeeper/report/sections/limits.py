"""What the figures are not."""

from spotkeeper.report.blocks import Section


def limits() -> Section:
    """Return the section."""
    return Section(
        key="limits",
        name="What this is not",
        question="What are these figures not?",
        answer=("They are an estimate at list price, not the invoice.",),
        points=(
            "List prices of the Cloud Billing Catalog, in US dollars: no negotiated discount, no credit, no tax.",
            (
                "vCPUs, memory, GPUs and local SSD of Spot VMs: no persistent disk, address, traffic or licence, and "
                "nothing of VMs that are not Spot."
            ),
            (
                "Uptime in minutes, from Cloud Monitoring: Google bills seconds, and at least one minute. Minutes that "
                "never reached Monitoring are missing for good."
            ),
            "Catalog prices are read every few hours: a change may count some hours late.",
            "Labels are those of the VM in that hour, as observed by the first scan after it.",
            (
                "On-demand cost is what the same VMs would have cost for the same hours. Whether they would have run "
                "as long is another question."
            ),
            (
                "Where the detailed billing export is configured, the view billing_reconciliation puts these figures "
                "beside what was charged."
            ),
        ),
    )
