"""Django's console finds the models of this app here."""

from experiments.admin import datasets as datasets
from experiments.admin import runs as runs
from experiments.admin import unknown_calls as unknown_calls
