"""Pages on which administrators of the installation add people and shut them out."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from platform_site.accounts.access import get_person, require_superuser
from platform_site.accounts.models import User
from platform_site.accounts.selectors import everybody
from platform_site.accounts.services import people
from platform_site.accounts.web.forms import InvitePersonForm
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import DomainError

PER_PAGE = 50


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def people_list(request: HttpRequest) -> HttpResponse:
    """List everybody and add people."""
    require_superuser(request.user)
    form = InvitePersonForm(request.POST or None)
    person, link = None, None
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        values["is_superuser"] = values.pop("is_administrator")
        try:
            person = people.create_person(**values)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            link = request.build_absolute_uri(people.set_password_path(person))
            form = InvitePersonForm()
    return _page(request, form, person, link)


@login_needed
@require_POST
def person_reset(request: HttpRequest, user_id: int) -> HttpResponse:
    """End all sessions and tokens of a person and show the link to a new password once."""
    require_superuser(request.user)
    person = get_person(user_id)
    link = request.build_absolute_uri(people.reset_person(user=person))
    return _page(request, InvitePersonForm(), person, link)


@login_needed
@require_POST
def person_activate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Shut a person out, or let them in again."""
    by = require_superuser(request.user)
    is_active = request.POST.get("is_active") == "yes"
    people.set_active(user=get_person(user_id), is_active=is_active, by=by)
    messages.success(
        request, _("The account is active.") if is_active else _("The account is deactivated.")
    )
    return redirect("accounts:people")


def _page(
    request: HttpRequest, form: InvitePersonForm, person: User | None, link: str | None
) -> HttpResponse:
    page = Paginator(everybody(), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "person": person, "link": link}
    return render(request, "accounts/people.html", context)
