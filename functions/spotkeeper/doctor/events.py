"""The topic of events: whether the enforcer may publish there, and whether it can."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import ALERTS, ENFORCER, Installation
from spotkeeper.doctor.facts import Platform, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.doctor.rights import granted
from spotkeeper.enforcement.settings import EnforcerSettings

_DEPLOY = "make deploy"
_MAY_LOOK = "roles/pubsub.viewer and roles/iam.securityReviewer on the project"


def events(installation: Installation, platform: Platform, enforcer: EnforcerSettings | None) -> Iterator[Finding]:
    """Yield the state of the topic of events, where the enforcer has one: without it stops go on unannounced."""
    if enforcer is None or enforcer.events_topic is None:
        return
    topic = enforcer.events_topic.rpartition("/")[2]
    match platform.events_topic:
        case Unread() as unread:
            yield unknown("events topic", unread, _MAY_LOOK)
        case None:
            yield problem("events topic", f"There is no topic {topic}: nobody hears of stops from it.", _DEPLOY)
        case policy:
            yield ok("events topic", f"{enforcer.events_topic} exists.")
            wanted = (topic, installation.member("enforcer"), installation.role(ALERTS))
            yield granted("events of the enforcer", installation, policy, "topics", wanted)
            yield from _failures(installation, platform, topic)


def _failures(installation: Installation, platform: Platform, topic: str) -> Iterator[Finding]:
    failed = platform.failed_events
    if isinstance(failed, Unread):
        yield unknown("published events", failed, "roles/monitoring.viewer on the project")
    elif failed:
        look = (
            f"gcloud logging read 'jsonPayload.message=\"event not published\"' --project {installation.project_id} "
            f"--limit 5 --freshness 1d"
        )
        sentence = f"{failed} requests of {ENFORCER} to publish on {topic} failed in the last day."
        yield problem("published events", sentence, look)
    else:
        yield ok("published events", f"No request to publish on {topic} failed in the last day.")
