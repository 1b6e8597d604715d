"""OSC: messages in, feedback and OSCQuery out.

==========  ==========================================================
`codec`     packets: messages, bundles, type tags
`patterns`  address patterns
`udp`       the receive loop, and OSC over UDP
`tcp`       OSC over TCP
`router`    messages to parameters and commands
`feedback`  changed values to subscribers
`query`     OSCQuery over HTTP and WebSocket
`servers`   all of these for one stage
==========  ==========================================================
"""

__all__ = ["codec", "feedback", "patterns", "query", "router", "servers", "tcp", "udp"]
