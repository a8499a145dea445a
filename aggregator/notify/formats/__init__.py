"""What a notification looks like on the wire: a file per format."""
