"""What is wrong today: gathered from every room, owned, followed until it is mended."""
