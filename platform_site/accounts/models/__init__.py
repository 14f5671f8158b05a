"""Django finds the models of this app here."""

from platform_site.accounts.models.first_sign_in import FirstSignIn
from platform_site.accounts.models.projects import Membership, Project
from platform_site.accounts.models.tokens import ApiToken
from platform_site.accounts.models.users import User

__all__ = ["ApiToken", "FirstSignIn", "Membership", "Project", "User"]
