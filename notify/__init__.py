"""Delivery as a library: messages, channels, ledger, dispatcher, receipts, the local gateway.

Knows nothing of emergencies: whom to tell and what the answer means come through `notify.ports`. The ledger is the
queue; nothing that matters is ever only in memory.
"""
