"""The same fan-in, written on other engines in their plain idiomatic way, to be measured side by side."""
