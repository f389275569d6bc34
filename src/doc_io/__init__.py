"""doc_io: a document store for Dagster pipelines that write text; assets just return text.

The public names stand in ``__init__.pyi``. Each is imported when it is first asked for, so that a reader of files need not
wait for Dagster.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
