"""Brigade 2 by way of its CloudEvents gateway, ``POST /events``.

The gateway asks for a bearer token (403 without a known one) and makes an event of it whose source is
``brigade.sh/cloudevents`` and whose type is ``cloudevent``; our source and type become its qualifiers, our
data its payload. It answers 200.
"""

from fanin.aggregator.notify.formats.cloudevents import structured
from fanin.aggregator.notify.formats.format import Format

FORMAT = Format(render=structured, sourced=True, bearer=True)
