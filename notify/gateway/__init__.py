"""The local gateway: a real HTTP server that speaks Twilio's Messages API and keeps the phones itself.

It is the embedded default, the training mode and the test double, so that the real SDK is always the path. Nothing it
takes ever leaves the machine.
"""
