"""Endpoints of projects and their members."""

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from platform_site.accounts.access import Need, get_project, role_in, visible_projects
from platform_site.accounts.api import serializers as shapes
from platform_site.accounts.api.base import AccountView, read_body
from platform_site.accounts.models import Membership, Project
from platform_site.accounts.selectors import member_rows, project_row, project_rows
from platform_site.accounts.services import projects
from platform_site.core.paging import parse_window

WINDOW = [
    OpenApiParameter("limit", int, description="Rows at most, 1 to 1000."),
    OpenApiParameter("offset", int, description="Rows to skip."),
]
REFUSALS = {403: shapes.ErrorOut, 404: shapes.ErrorOut}
CHANGE_REFUSALS = {400: shapes.ErrorOut, 409: shapes.ErrorOut, **REFUSALS}


class ProjectBase(AccountView):
    """Finds the project for the person, or refuses."""

    def project(self, project_id: int, need: Need) -> Project:
        """Return the project if the person may do this with it."""
        return get_project(self.person, project_id, need=need)

    def project_body(self, project: Project) -> dict[str, Any]:
        """Return the project as the person sees it."""
        role = role_in(self.person, project.pk) or Membership.Role.VIEWER
        counted = project.memberships.aggregate(n=Count("pk"))
        row = project_row(project, role=role, n_members=counted["n"])
        return dict(shapes.ProjectOut(row).data)


class ProjectListView(ProjectBase):
    """The projects that the person may see."""

    @extend_schema(
        operation_id="projects_list",
        tags=["projects"],
        parameters=WINDOW,
        responses={200: shapes.ProjectPageOut},
    )
    def get(self, request: Request) -> Response:
        """List projects by name."""
        window = parse_window(request.query_params)
        rows = project_rows(self.person, limit=window.limit, offset=window.offset)
        return Response(
            {
                "count": visible_projects(self.person).count(),
                "results": shapes.ProjectOut(rows, many=True).data,
            }
        )

    @extend_schema(
        tags=["projects"],
        request=shapes.ProjectIn,
        responses={201: shapes.ProjectOut, 400: shapes.ErrorOut, 409: shapes.ErrorOut},
    )
    def post(self, request: Request) -> Response:
        """Make a project; the caller becomes its administrator."""
        body = read_body(request, shapes.ProjectIn)
        project = projects.create_project(by=self.person, **body)
        return Response(self.project_body(project), status=201)


class ProjectDetailView(ProjectBase):
    """One project."""

    @extend_schema(tags=["projects"], responses={200: shapes.ProjectOut, 404: shapes.ErrorOut})
    def get(self, request: Request, project_id: int) -> Response:
        """Show a project."""
        return Response(self.project_body(self.project(project_id, "read")))

    @extend_schema(
        tags=["projects"],
        request=shapes.ProjectIn,
        responses={200: shapes.ProjectOut, **CHANGE_REFUSALS},
    )
    def patch(self, request: Request, project_id: int) -> Response:
        """Change name or description; the slug stays."""
        project = self.project(project_id, "manage")
        body = read_body(request, shapes.ProjectIn, partial=True)
        return Response(self.project_body(projects.update_project(project=project, **body)))


class MemberListView(ProjectBase):
    """The members of a project."""

    @extend_schema(
        operation_id="project_members_list",
        tags=["projects"],
        parameters=WINDOW,
        responses={200: shapes.MemberPageOut, 404: shapes.ErrorOut},
    )
    def get(self, request: Request, project_id: int) -> Response:
        """List members by user name."""
        window = parse_window(request.query_params)
        rows = member_rows(self.project(project_id, "read"))
        page = rows[window.offset : window.offset + window.limit]
        return Response({"count": rows.count(), "results": shapes.MemberOut(page, many=True).data})

    @extend_schema(
        tags=["projects"],
        request=shapes.MemberIn,
        responses={201: shapes.MemberOut, **CHANGE_REFUSALS},
    )
    def post(self, request: Request, project_id: int) -> Response:
        """Add a person by user name."""
        project = self.project(project_id, "manage")
        body = read_body(request, shapes.MemberIn)
        membership = projects.add_member(project=project, **body)
        return Response(shapes.MemberOut(membership).data, status=201)


class MemberDetailView(ProjectBase):
    """One membership."""

    @extend_schema(
        tags=["projects"],
        request=shapes.RoleIn,
        responses={200: shapes.MemberOut, **CHANGE_REFUSALS},
    )
    def patch(self, request: Request, project_id: int, user_id: int) -> Response:
        """Give the member another role."""
        project = self.project(project_id, "manage")
        body = read_body(request, shapes.RoleIn)
        membership = projects.change_role(project=project, user_id=user_id, role=body["role"])
        return Response(shapes.MemberOut(membership).data)

    @extend_schema(tags=["projects"], responses={204: None, 409: shapes.ErrorOut, **REFUSALS})
    def delete(self, request: Request, project_id: int, user_id: int) -> Response:
        """Take the member out, or leave oneself."""
        need: Need = "read" if user_id == self.person.pk else "manage"
        projects.remove_member(project=self.project(project_id, need), user_id=user_id)
        return Response(status=204)
