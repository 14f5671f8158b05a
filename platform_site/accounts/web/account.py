"""A person's own pages: profile, password, API tokens."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from platform_site.accounts.access import signed_in
from platform_site.accounts.selectors import token_rows
from platform_site.accounts.services import people, tokens
from platform_site.accounts.web.forms import ChangePasswordForm, ProfileForm, TokenForm
from platform_site.accounts.web.preferences import remember_preferences
from platform_site.core.access_rules import login_needed

PAGE = ["GET", "HEAD", "POST"]


@login_needed
@require_http_methods(PAGE)
def profile(request: HttpRequest) -> HttpResponse:
    """Show and change name, e-mail, language and theme."""
    user = signed_in(request.user)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/profile.html", {"form": form})
    user = people.update_profile(user=user, changes=form.cleaned_data)
    if user.language:
        translation.activate(user.language)
    messages.success(request, _("Your profile is saved."))
    response = redirect("accounts:profile")
    remember_preferences(response, user)
    return response


@login_needed
@sensitive_post_parameters()
@require_http_methods(PAGE)
def password_change(request: HttpRequest) -> HttpResponse:
    """Change the password; this session goes on under a new key, all others end."""
    user = signed_in(request.user)
    form = ChangePasswordForm(request, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/password_change.html", {"form": form})
    people.change_password(
        user=user,
        password=form.cleaned_data["new_password1"],
        revoke_tokens=form.cleaned_data["revoke_tokens"],
    )
    update_session_auth_hash(request, user)
    messages.success(request, _("Your password is changed. Other sessions have ended."))
    return redirect("accounts:profile")


@login_needed
@require_http_methods(PAGE)
def token_list(request: HttpRequest) -> HttpResponse:
    """List the person's tokens; a new one's secret is shown in this answer and never again."""
    user = signed_in(request.user)
    form = TokenForm(request.POST or None)
    secret = None
    if request.method == "POST" and form.is_valid():
        _token, secret = tokens.issue_token(
            user=user,
            name=form.cleaned_data["name"],
            scope=form.cleaned_data["scope"],
            lifetime_days=form.cleaned_data["expires_in_days"],
        )
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": token_rows(user)}
    return render(request, "accounts/token_list.html", context)


@login_needed
@require_POST
def token_revoke(request: HttpRequest, token_key: str) -> HttpResponse:
    """Make one token useless."""
    tokens.revoke_token(user=signed_in(request.user), token_key=token_key)
    messages.success(request, _("The token is revoked."))
    return redirect("accounts:tokens")
