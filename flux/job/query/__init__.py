"""The query language for jobs, the same in ``flux jobs --query`` and in the dashboard.

``state:running user:alice -name:test* t>5m`` finds jobs for which all terms hold. `syntax` reads
the text, `fields` has the words, `match` makes a test for jobs of it, `jobinfo` reads jobs as
``flux jobs`` has them, `completion` helps who types.
"""
