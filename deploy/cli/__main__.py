"""`python -m deploy.cli` is `aspire`."""

from deploy.cli.app import main

if __name__ == "__main__":
    main()
