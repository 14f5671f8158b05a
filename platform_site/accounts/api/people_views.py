"""Endpoints on which administrators of the installation add people and shut them out."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from platform_site.accounts.access import get_person, require_superuser
from platform_site.accounts.api import serializers as shapes
from platform_site.accounts.api.base import AccountView, read_body
from platform_site.accounts.api.project_views import REFUSALS, WINDOW
from platform_site.accounts.models import User
from platform_site.accounts.selectors import everybody
from platform_site.accounts.services import people
from platform_site.core.paging import parse_window


class PeopleView(AccountView):
    """Everybody; administrators of the installation only."""

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Refuse everybody else before anything is read."""
        super().initial(request, *args, **kwargs)
        require_superuser(request.user)

    def invited_body(self, user: User, path: str) -> dict[str, object]:
        """Return the person with the link that the administrator hands over."""
        url = self.request.build_absolute_uri(path)
        return {**shapes.PersonOut(user).data, "set_password_url": url}


class PersonListView(PeopleView):
    """List and add people."""

    @extend_schema(
        operation_id="people_list",
        tags=["people"],
        parameters=WINDOW,
        responses={200: shapes.PersonPageOut, 403: shapes.ErrorOut},
    )
    def get(self, request: Request) -> Response:
        """List people by user name."""
        window = parse_window(request.query_params)
        rows = everybody()
        page = rows[window.offset : window.offset + window.limit]
        return Response({"count": rows.count(), "results": shapes.PersonOut(page, many=True).data})

    @extend_schema(
        tags=["people"],
        request=shapes.PersonIn,
        responses={201: shapes.InvitedOut, 400: shapes.ErrorOut, 409: shapes.ErrorOut},
    )
    def post(self, request: Request) -> Response:
        """Add a person; the answer holds the one-time link to choose a password."""
        user = people.create_person(**read_body(request, shapes.PersonIn))
        return Response(self.invited_body(user, people.set_password_path(user)), status=201)


class PersonDetailView(PeopleView):
    """One person."""

    @extend_schema(tags=["people"], responses={200: shapes.PersonOut, **REFUSALS})
    def get(self, request: Request, user_id: int) -> Response:
        """Show a person."""
        return Response(shapes.PersonOut(get_person(user_id)).data)

    @extend_schema(
        tags=["people"],
        request=shapes.ActiveIn,
        responses={200: shapes.PersonOut, **REFUSALS},
    )
    def patch(self, request: Request, user_id: int) -> Response:
        """Shut the person out, or let them in again."""
        body = read_body(request, shapes.ActiveIn)
        people.set_active(user=get_person(user_id), is_active=body["is_active"], by=self.person)
        return Response(shapes.PersonOut(get_person(user_id)).data)


class PersonResetView(PeopleView):
    """A new password for somebody."""

    @extend_schema(tags=["people"], request=None, responses={200: shapes.InvitedOut, **REFUSALS})
    def post(self, request: Request, user_id: int) -> Response:
        """End all sessions and tokens of the person; returns the link to a new password."""
        user = get_person(user_id)
        return Response(self.invited_body(user, people.reset_person(user=user)))
