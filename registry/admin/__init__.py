"""Django's console finds the models of this app here."""

from registry.admin import models as models
