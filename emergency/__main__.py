"""`python -m emergency` is the command line."""

from emergency.cli import main

if __name__ == "__main__":
    main()
