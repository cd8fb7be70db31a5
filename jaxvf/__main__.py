"""`python -m jaxvf` is the command `jaxvf`."""

from jaxvf.cli import main

if __name__ == "__main__":
    main()
