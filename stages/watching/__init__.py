"""What people watch while a stage trains: a bar or plain lines, a table of every step, and loggers."""

from stages.watching.bar import Bar
from stages.watching.loggers import make_loggers
from stages.watching.table import StepTable
from stages.watching.watcher import Step, Watcher, Watchers

__all__ = ["Bar", "Step", "StepTable", "Watcher", "Watchers", "make_loggers"]
