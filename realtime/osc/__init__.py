"""OSC: messages in, feedback and OSCQuery out.

==============  =====================================
`codec`         packets: messages, bundles, type tags
`patterns`      address patterns
`udp`           the receive loop, and OSC over UDP
`tcp`           OSC over TCP
`osc_router`    messages to parameters and commands
`osc_feedback`  changed values to subscribers
`query`         OSCQuery over HTTP and WebSocket
`servers`       all of these for one stage
==============  =====================================
"""

__all__ = ["codec", "osc_feedback", "osc_router", "patterns", "query", "servers", "tcp", "udp"]
