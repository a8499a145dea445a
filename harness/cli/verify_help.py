"""What ``fanin verify --help`` says before the options; a backspace alone on a line keeps a table whole."""

HELP = """\
Judge your own aggregator: play the pack against it and print a conformance card.

Webhooks go to POST /api/ImagePush?region=NAME. Each time before an application or a command starts,
fanin sets in its environment (docs/verify.md has the names that `fanin serve` reads, too):

\b
WebhookRegions     eastus,westeurope      the regions to wait for
WebhookTimeout     0:02:00, 30.0:00:00    for how long, as [d.]h:mm:ss[.fff]
TIMEOUT_S          120, 0.5               the same in seconds
NOTIFY_URL         http://HOST:PORT/      where to POST the outcome
DATA_DIR           /FOLDER                survives a crash
PORT               8080                   --command: listen here, on 127.0.0.1
FANIN_CORRELATION  event-id or image      what makes webhooks one operation
FANIN_ACTIONS      push,delete            the actions that fan in
FANIN_KEYS         open-sesame            the function key, where there is one
WEBHOOK_SECRETS    whsec_… whsec_…        the secrets of signatures

\b
With --capability filters or completed-late:
FANIN_REPOSITORIES      team/*,!team/tmp  globs of repositories that fan in
FANIN_TAGS              v*,latest         globs of the tags that do
FANIN_TAGGED_ONLY       yes               pushes by digest do not
FANIN_SKIP_ATTACHMENTS  yes               attestations and the like do not
FANIN_NOTIFY_ON         completed,timed_out,completed_late

A deployment is configured already; options say how. Scenarios that need another configuration are
skipped, each with the reason.

Exit codes: 0 every scenario got the verdict that it states, 1 a rule is broken, 2 nothing could be
judged, 3 not decided.
"""
