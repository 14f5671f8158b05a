"""The doors: sign-in, sign-out, sign-up, first sign-in and the link that sets a password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView, PasswordResetConfirmView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from platform_site.accounts.models import User
from platform_site.accounts.services import first_sign_in as first
from platform_site.accounts.services import people
from platform_site.accounts.web.forms import NewPersonForm, SignInForm, SignUpForm
from platform_site.accounts.web.preferences import remember_preferences
from platform_site.core.access_rules import public
from platform_site.core.errors import Conflict, NotFound

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInView(LoginView):
    """Django's sign-in: a new session key, and `next` only to this host."""

    access_rule = "public"
    authentication_form = SignInForm
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Say whether the page may offer to sign up."""
        return super().get_context_data(**kwargs, sign_up_enabled=settings.SIGN_UP_ENABLED)

    def form_valid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]  # our form
        """Sign in and bring the person's language and theme to this device."""
        response = super().form_valid(form)
        if isinstance(self.request.user, User):
            remember_preferences(response, self.request.user)
        return response


class SignOutView(LogoutView):
    """Ends the session; only by POST, so that no image tag can do it."""

    access_rule = "public"


class ChoosePasswordView(PasswordResetConfirmView):
    """Where the one-time link of an administrator leads: choose a password, then sign in."""

    access_rule = "public"
    template_name = "accounts/set_password.html"
    success_url = reverse_lazy("accounts:login")


@public
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def first_sign_in(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Let the first person of an installation choose a name and a password."""
    try:
        first.check_first_sign_in(secret)
    except NotFound as error:
        return render(request, "accounts/link_gone.html", {"error": error}, status=404)
    form = NewPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = first.complete_first_sign_in(
            secret=secret,
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password1"],
        )
        login(request, user, backend=BACKEND)
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/first_sign_in.html", {"form": form})


@public
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponseBase:
    """Let anybody make an account, where the operator switched that on."""
    if not settings.SIGN_UP_ENABLED:
        raise Http404
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.create_person(
                username=form.cleaned_data["username"],
                email=form.cleaned_data["email"],
                password=form.cleaned_data["password1"],
            )
        except Conflict:
            form.add_error("username", _("This user name is taken."))
        else:
            login(request, user, backend=BACKEND)
            return redirect("accounts:project-list")
    return render(request, "accounts/sign_up.html", {"form": form})
