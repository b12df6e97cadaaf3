"""The path of a budget notification: topic, subscription and dead letters."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import (
    BUDGET_PUBLISHER,
    DEAD_LETTER,
    ENFORCER,
    SUBSCRIPTION,
    TOPIC,
    Installation,
)
from spotkeeper.doctor.facts import Function, Platform, Subscription, Unread
from spotkeeper.doctor.findings import Finding, ok, problem, unknown
from spotkeeper.doctor.rights import granted, topic_grant

_DEPLOY = "make deploy"
_MAY_LOOK = "roles/pubsub.viewer and roles/iam.securityReviewer on the project"
_PUBLISHER = "roles/pubsub.publisher"


def messages(installation: Installation, platform: Platform) -> Iterator[Finding]:
    """Yield the problems between Cloud Billing and the enforcer."""
    match platform.topic:
        case Unread() as unread:
            yield unknown("budget topic", unread, _MAY_LOOK)
        case None:
            yield problem("budget topic", f"There is no topic {TOPIC}: no budget can report.", _DEPLOY)
        case policy:
            yield ok("budget topic", f"{installation.topic} exists.")
            wanted = (TOPIC, BUDGET_PUBLISHER, _PUBLISHER)
            yield granted("Cloud Billing", installation, policy, "topics", wanted)
            yield topic_grant(installation, policy)
    if not platform.is_tracker_alone:
        yield from _subscription(installation, platform)
        yield from _dead_letters(installation, platform)


def _subscription(installation: Installation, platform: Platform) -> Iterator[Finding]:
    match platform.subscription:
        case Unread() as unread:
            yield unknown("delivery", unread, _MAY_LOOK)
        case None:
            yield problem("delivery", f"There is no subscription {SUBSCRIPTION}: nothing is delivered.", _DEPLOY)
        case Subscription() as found:
            problems = list(_subscription_problems(installation, platform, found))
            yield from problems
            if not problems:
                yield ok("delivery", f"{SUBSCRIPTION} delivers to the enforcer.")


def _subscription_problems(installation: Installation, platform: Platform, found: Subscription) -> Iterator[Finding]:
    at_project = f"{SUBSCRIPTION} --project {installation.project_id}"
    if found.detached or found.topic != installation.topic:
        said = "is detached" if found.detached else f"is a subscription of {found.topic}"
        fix = f"gcloud pubsub subscriptions delete {at_project} && make deploy"
        yield problem("delivery", f"{SUBSCRIPTION} {said}, not of {installation.topic}.", fix)
    enforcer = platform.functions[ENFORCER]
    if isinstance(enforcer, Function):
        yield from _push_problems(installation, found, enforcer.uri.rstrip("/"), at_project)


def _push_problems(installation: Installation, found: Subscription, uri: str, at_project: str) -> Iterator[Finding]:
    caller = installation.email("delivery")
    push = (
        f"gcloud pubsub subscriptions modify-push-config {at_project} --push-endpoint {uri} "
        f"--push-auth-service-account {caller} --push-auth-token-audience {uri}"
    )
    if not found.endpoint:
        yield problem("delivery", "Notifications are not delivered: the subscription has no push endpoint.", push)
    elif found.endpoint.rstrip("/") != uri:
        yield problem("delivery", f"The push endpoint is {found.endpoint}, but the enforcer is {uri}.", push)
    elif (found.account, found.audience.rstrip("/")) != (caller, uri):
        said = f"Pushes are signed by {found.account or 'nobody'} for audience {found.audience or 'none'}"
        yield problem("delivery", f"{said}, not by {caller} for {uri}.", push)


def _dead_letters(installation: Installation, platform: Platform) -> Iterator[Finding]:
    if isinstance(platform.dead_letters, Unread):
        yield unknown("dead letters", platform.dead_letters, "roles/monitoring.viewer on the project")
    elif platform.dead_letters is None:
        yield unknown("dead letters", Unread("Cloud Monitoring has no data point for the last 30 minutes"), "")
    elif platform.dead_letters:
        pull = f"gcloud pubsub subscriptions pull {DEAD_LETTER} --project {installation.project_id} --limit 10"
        yield problem("dead letters", f"{platform.dead_letters} undelivered messages are in {DEAD_LETTER}.", pull)
    else:
        yield ok("dead letters", f"No message is in {DEAD_LETTER}.")
