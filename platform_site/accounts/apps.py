"""App of people, projects and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, their projects and their API tokens."""

    name = "platform_site.accounts"
    label = "accounts"
