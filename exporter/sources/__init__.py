"""Where values come from: one file a kind of source, each with bounded connections and deadlines."""
