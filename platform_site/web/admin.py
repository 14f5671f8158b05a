"""What the console must not offer, whoever registered it."""

from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success

# The queue's own tables let a person name any function for the worker to call, and show results
# by unpickling them. Jobs are looked at and controlled through our own Job rows.
for model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
