"""The command line ``fanin``, a file per command."""
