"""`python -m wardline` is the `wardline` command."""

from wardline.cli import main

if __name__ == "__main__":
    main()
