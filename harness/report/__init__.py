"""What a person, or a program, gets to see of a run: the text report and its JSON form."""
