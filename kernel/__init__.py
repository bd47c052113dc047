"""The ground that every package stands on.

One MetaData, the transaction recipe, UTC and enum column types, the injected clock,
ids, the single `transition()`, domain errors and structured logs. Imports nothing of ours
and knows nothing of Flask.
"""
