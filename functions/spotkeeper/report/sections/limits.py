"""Limits of the figures."""

from spotkeeper.report.blocks import Section


def limits() -> Section:
    """Return the section."""
    return Section(
        key="limits",
        name="Limits",
        question="What do these figures not include?",
        answer=("They are estimates at list price, not the invoice.",),
        points=(
            "List prices of the Cloud Billing Catalog, in US dollars: no negotiated discount, no credit, no tax.",
            (
                "vCPUs, memory, GPUs and local SSD of Spot VMs: no disks, addresses, network traffic or licenses, and "
                "no VMs that are not Spot."
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
