"""Commands that need no bus: decide a request file, explain one decision, compute tags."""
