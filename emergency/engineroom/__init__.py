"""What delivery is doing, in words: the live page, what no machine can settle, the history of one message."""
