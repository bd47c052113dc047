"""The commands, one module a noun. They own the transaction, call one service and print its answer."""
