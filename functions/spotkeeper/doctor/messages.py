"""The way of a budget message: the topic, the subscription, and what was given up."""

from collections.abc import Iterator

from spotkeeper.doctor.deployment import (
    ACK_SECONDS,
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
    """Yield what stands between Cloud Billing and the enforcer."""
    match platform.topic:
        case Unread() as unread:
            yield unknown("budget topic", unread, _MAY_LOOK)
        case None:
            yield problem("budget topic", f"There is no topic {TOPIC}: no budget can report.", _DEPLOY)
        case policy:
            yield ok("budget topic", f"{installation.topic} is there.")
            wanted = (TOPIC, BUDGET_PUBLISHER, _PUBLISHER)
            yield granted("Cloud Billing", installation, policy, "topics", wanted)
            yield topic_grant(installation, policy)
    yield from _subscription(installation, platform)
    yield from _dead_letters(installation, platform)


def _subscription(installation: Installation, platform: Platform) -> Iterator[Finding]:
    match platform.subscription:
        case Unread() as unread:
            yield unknown("delivery", unread, _MAY_LOOK)
        case None:
            yield problem("delivery", f"There is no subscription {SUBSCRIPTION}: nothing is delivered.", _DEPLOY)
        case Subscription() as found:
            faults = list(_subscription_faults(installation, platform, found))
            yield from faults
            if not faults:
                yield ok(
                    "delivery", f"{SUBSCRIPTION} delivers to the enforcer, retries, and gives up to {DEAD_LETTER}."
                )


def _subscription_faults(installation: Installation, platform: Platform, found: Subscription) -> Iterator[Finding]:
    at_project = f"{SUBSCRIPTION} --project {installation.project_id}"
    update = f"gcloud pubsub subscriptions update {at_project}"
    if found.detached or found.topic != installation.topic:
        told = "is detached" if found.detached else f"is one of {found.topic}"
        mend = f"gcloud pubsub subscriptions delete {at_project} && make deploy"
        yield problem("delivery", f"{SUBSCRIPTION} {told}, not of {installation.topic}.", mend)
    enforcer = platform.functions[ENFORCER]
    if isinstance(enforcer, Function):
        yield from _push_faults(installation, found, enforcer.uri.rstrip("/"), at_project)
    if found.dead_letter_topic != installation.dead_letter:
        said = "What cannot be delivered is lost: there is no dead letter topic"
        yield problem("delivery", f"{said}.", f"{update} --dead-letter-topic {DEAD_LETTER} --max-delivery-attempts 50")
    if not found.retries_slowly:
        said = "A message that failed is tried again at once, and given up within minutes"
        yield problem("delivery", f"{said}.", f"{update} --min-retry-delay 10s --max-retry-delay 600s")
    if found.ack_seconds < ACK_SECONDS:
        said = f"A delivery that takes more than {found.ack_seconds} s is made again meanwhile"
        yield problem("delivery", f"{said}.", f"{update} --ack-deadline {ACK_SECONDS}")


def _push_faults(installation: Installation, found: Subscription, uri: str, at_project: str) -> Iterator[Finding]:
    caller = installation.email("delivery")
    push = (
        f"gcloud pubsub subscriptions modify-push-config {at_project} --push-endpoint {uri} "
        f"--push-auth-service-account {caller} --push-auth-token-audience {uri}"
    )
    if not found.endpoint:
        yield problem("delivery", "Notifications are held: the subscription has no push endpoint.", push)
    elif found.endpoint.rstrip("/") != uri:
        yield problem("delivery", f"It delivers to {found.endpoint}, but the enforcer is {uri}.", push)
    elif (found.account, found.audience.rstrip("/")) != (caller, uri):
        said = f"It signs as {found.account or 'nobody'} for {found.audience or 'nobody'}"
        yield problem("delivery", f"{said}, not as {caller} for {uri}.", push)


def _dead_letters(installation: Installation, platform: Platform) -> Iterator[Finding]:
    agent = f"serviceAccount:service-{platform.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    for about, kind, policy, wanted in (
        ("giving up: publish", "topics", platform.dead_letter, (DEAD_LETTER, agent, _PUBLISHER)),
        (
            "giving up: forward",
            "subscriptions",
            platform.subscription_policy,
            (SUBSCRIPTION, agent, "roles/pubsub.subscriber"),
        ),
    ):
        if isinstance(policy, Unread):
            yield unknown(about, policy, _MAY_LOOK)
        elif policy is not None:
            yield granted(about, installation, policy, kind, wanted)
    if platform.dead_letter is None:
        yield problem("dead letters", f"There is no topic {DEAD_LETTER}.", _DEPLOY)
    elif isinstance(platform.dead_letters, Unread):
        yield unknown("dead letters", platform.dead_letters, "roles/monitoring.viewer on the project")
    elif platform.dead_letters is None:
        yield unknown("dead letters", Unread("Cloud Monitoring has no figure of the last half hour"), "")
    elif platform.dead_letters:
        pull = f"gcloud pubsub subscriptions pull {DEAD_LETTER} --project {installation.project_id} --limit 10"
        yield problem("dead letters", f"{platform.dead_letters} messages were given up.", pull)
    else:
        yield ok("dead letters", "No message was given up.")
