"""The content-files module: a backing store of one plain file a blob."""
