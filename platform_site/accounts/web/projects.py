"""Pages of projects and their members."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from platform_site.accounts.access import Need, get_project, role_in, signed_in
from platform_site.accounts.current import SESSION_KEY
from platform_site.accounts.models import Membership
from platform_site.accounts.selectors import member_rows, project_rows
from platform_site.accounts.services import projects
from platform_site.accounts.web.forms import ROLE_CHOICES, MemberForm, ProjectForm, RoleForm
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import DomainError, Invalid
from platform_site.core.paging import parse_whole_number

PAGE = ["GET", "HEAD", "POST"]
MAX_ID = 2**63 - 1


@login_needed
@require_http_methods(PAGE)
def project_list(request: HttpRequest) -> HttpResponse:
    """List the person's projects and make new ones."""
    user = signed_in(request.user)
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = projects.create_project(
                by=user,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
            )
        except DomainError as error:
            form.add_error("name", error.message)
        else:
            request.session[SESSION_KEY] = project.pk
            messages.success(request, _("The project is made; you are its administrator."))
            return redirect("accounts:project-detail", project.pk)
    context = {"form": form, "projects": project_rows(user)}
    return render(request, "accounts/project_list.html", context)


@login_needed
@require_http_methods(PAGE)
def project_detail(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show a project and its members; administrators change its name and description."""
    user = signed_in(request.user)
    need: Need = "manage" if request.method == "POST" else "read"
    project = get_project(user, project_id, need=need)
    given = {"name": project.name, "description": project.description}
    form = ProjectForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        try:
            projects.update_project(project=project, **form.cleaned_data)
        except DomainError as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, _("The project is saved."))
            return redirect("accounts:project-detail", project.pk)
    role = role_in(user, project.pk)
    context = {
        "project": project,
        "form": form,
        "member_form": MemberForm(),
        "members": member_rows(project),
        "role_choices": ROLE_CHOICES,
        "my_role": role,
        "may_manage": role in Membership.MANAGING_ROLES,
    }
    return render(request, "accounts/project_detail.html", context)


@login_needed
@require_POST
def member_add(request: HttpRequest, project_id: int) -> HttpResponse:
    """Add a person to a project by user name."""
    project = get_project(signed_in(request.user), project_id, need="manage")
    form = MemberForm(request.POST)
    if not form.is_valid():
        raise Invalid(_("Give a user name and one of the roles."), field="username")
    projects.add_member(project=project, **form.cleaned_data)
    messages.success(request, _("The person is now a member."))
    return redirect("accounts:project-detail", project.pk)


@login_needed
@require_POST
def member_change(request: HttpRequest, project_id: int, user_id: int) -> HttpResponse:
    """Give a member another role."""
    project = get_project(signed_in(request.user), project_id, need="manage")
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Invalid(_("Choose one of the roles."), field="role")
    projects.change_role(project=project, user_id=user_id, role=form.cleaned_data["role"])
    messages.success(request, _("The role is changed."))
    return redirect("accounts:project-detail", project.pk)


@login_needed
@require_POST
def member_remove(request: HttpRequest, project_id: int, user_id: int) -> HttpResponse:
    """Take a member out of a project, or leave it oneself."""
    user = signed_in(request.user)
    leaves = user_id == user.pk
    project = get_project(user, project_id, need="read" if leaves else "manage")
    projects.remove_member(project=project, user_id=user_id)
    messages.success(request, _("The membership has ended."))
    if role_in(user, project.pk) is None:
        return redirect("accounts:project-list")
    return redirect("accounts:project-detail", project.pk)


@login_needed
@require_POST
def project_switch(request: HttpRequest) -> HttpResponse:
    """Work in another project from now on, in this session."""
    project_id = parse_whole_number(request.POST.get("project"), "project", 0, high=MAX_ID)
    project = get_project(signed_in(request.user), project_id, need="read")
    request.session[SESSION_KEY] = project.pk
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(wanted if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL))
