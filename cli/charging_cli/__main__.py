"""Run the command as `python -m charging_cli`."""

from charging_cli.main import main

if __name__ == "__main__":
    main()
