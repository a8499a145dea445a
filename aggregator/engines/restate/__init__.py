"""The engine on Restate: operations are virtual objects of a server that keeps journals, timers and state."""
