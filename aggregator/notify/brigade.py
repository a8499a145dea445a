"""Brigade 2 by way of its CloudEvents gateway, ``POST /events``.

The gateway asks for a bearer token (403 without a known one) and makes an event of it whose source is
``brigade.sh/cloudevents`` and whose type is ``cloudevent``; our source and type become its qualifiers, our
data its payload. It answers 200.
"""

from aggregator.notify.cloudevents import structured
from aggregator.notify.message import Format

FORMAT = Format(render=structured, sourced=True, bearer=True)
