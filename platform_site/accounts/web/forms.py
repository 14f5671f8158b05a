"""Forms of the account pages: they shape and check input, services write."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm, SetPasswordMixin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from platform_site.accounts.access import signed_in
from platform_site.accounts.models import ApiToken, Membership, User
from platform_site.accounts.services.projects import MAX_DESCRIPTION_CHARS
from platform_site.accounts.services.tokens import LIFETIME_CHOICES_DAYS


class SignInForm(AuthenticationForm):
    """Django's form; one message whether the name or the password is wrong."""

    error_messages = {
        "invalid_login": _("This user name and password do not match."),
        "inactive": _("This user name and password do not match."),
    }


class NewPersonForm(BaseUserCreationForm[User]):
    """User name and a password given twice: for sign-up and the first administrator."""

    class Meta:
        """Nothing else can be set from outside."""

        model = User
        fields: tuple[str, ...] = ("username",)
        labels = {"username": _("User name")}


class SignUpForm(NewPersonForm):
    """As above with an e-mail address."""

    class Meta(NewPersonForm.Meta):
        """The address is optional."""

        fields = ("username", "email")


class ChangePasswordForm(SetPasswordMixin, forms.Form):  # type: ignore[type-arg]  # not generic at run time
    """The old password once, the new one twice."""

    old_password = forms.CharField(
        label=_("Current password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    new_password1, new_password2 = SetPasswordMixin.create_password_fields(
        label1=_("New password"), label2=_("New password again")
    )
    revoke_tokens = forms.BooleanField(
        label=_("Also revoke all my API tokens"), required=False, initial=True
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_old_password(self) -> str:
        """Check through the sign-in backends, so that guesses here count like everywhere."""
        old: str = self.cleaned_data["old_password"]
        username = self.request.user.get_username()
        if authenticate(self.request, username=username, password=old) is None:
            raise forms.ValidationError(_("The current password is wrong."))
        return old

    def clean(self) -> dict[str, Any]:
        """Check the new password."""
        self.validate_passwords("new_password1", "new_password2")
        self.validate_password_for_user(signed_in(self.request.user), "new_password2")
        return super().clean() or self.cleaned_data


class ProfileForm(forms.ModelForm[User]):
    """What a person may change about themselves."""

    class Meta:
        """Explicit fields only."""

        model = User
        fields = ("first_name", "last_name", "email", "language", "theme")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = self.fields["language"]
        if isinstance(language, forms.ChoiceField):
            language.choices = [("", _("As the browser asks")), *settings.LANGUAGES]


class InvitePersonForm(forms.ModelForm[User]):
    """A person whom an administrator adds; the password is chosen by link."""

    is_administrator = forms.BooleanField(
        label=_("Administrator of the whole installation"), required=False
    )

    class Meta:
        """Explicit fields only."""

        model = User
        fields = ("username", "first_name", "last_name", "email")
        labels = {"username": _("User name")}


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("What it is for, for example the script or machine that will use it."),
    )
    scope = forms.ChoiceField(
        label=_("May"),
        choices=[
            (ApiToken.Scope.READ.value, _("Read only")),
            (ApiToken.Scope.WRITE.value, _("Read and write")),
        ],
    )
    expires_in_days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        initial=30,
        choices=[(days, _("%(days)d days") % {"days": days}) for days in LIFETIME_CHOICES_DAYS],
    )


class ProjectForm(forms.Form):
    """Name and description of a project."""

    name = forms.CharField(label=_("Name"), max_length=100)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=MAX_DESCRIPTION_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


ROLE_CHOICES = [
    (Membership.Role.VIEWER.value, _("Viewer: sees everything")),
    (Membership.Role.EDITOR.value, _("Editor: uploads, trains, registers")),
    (Membership.Role.APPROVER.value, _("Approver: also approves versions")),
    (Membership.Role.ADMINISTRATOR.value, _("Administrator: also manages members")),
]


class MemberForm(forms.Form):
    """A person to add to a project."""

    username = forms.CharField(label=_("User name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)


class RoleForm(forms.Form):
    """A new role for a member."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)
