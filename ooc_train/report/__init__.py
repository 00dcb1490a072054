"""`write_page`: a run and how well it does, as one HTML file that opens anywhere, offline.

``content`` goes through `document`, which lays the page out, to `figures`, which draws; both in a
process of their own (`process`), so that neither the plotting library's memory nor its failure is
the training's.
"""

from ooc_train.report.drawing import check_library, write_page

__all__ = ["check_library", "write_page"]
