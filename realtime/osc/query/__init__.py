"""OSCQuery: the stage described over HTTP, followed over WebSocket, found by zeroconf.

The protocol is the proposal at https://github.com/Vidvox/OSCQueryProposal, used by ossia score, Chataigne, VDMX and
MadMapper among others.

===========  ==============================
`server`     HTTP and WebSocket on one port
`namespace`  description of each address
`access`     which requests are allowed
`announce`   announcement by zeroconf
===========  ==============================
"""

from realtime.osc.query.announce import Announcement
from realtime.osc.query.server import DEFAULT_QUERY_PORT, QueryServer

__all__ = ["DEFAULT_QUERY_PORT", "Announcement", "QueryServer"]
