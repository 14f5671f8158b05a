"""Which project a request is about."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from platform_site.accounts.current import project_for
from platform_site.accounts.models import ApiToken, Project
from platform_site.core.errors import Forbidden, Invalid, NotFound
from tests.people import project_of


def request_by(user, path="/", session=None, auth=None, **headers):
    request = RequestFactory().get(path, headers=headers)
    request.user = user
    request.session = session or {}
    if auth is not None:
        request.auth = auth
    return request


def test_the_header_names_the_project_by_slug_or_by_id(people):
    by_slug = request_by(people.alice, **{"X-Assay-Project": "stars"})
    by_id = request_by(people.alice, **{"X-Assay-Project": str(people.project.pk)})
    assert project_for(by_slug, "write") == people.project
    assert project_for(by_id, "read") == people.project


def test_the_query_parameter_names_the_project(people):
    assert project_for(request_by(people.bob, "/?project=stars"), "read") == people.project


def test_a_stranger_learns_nothing_about_a_named_project(people):
    for name in ("stars", str(people.project.pk), "nosuch", "9" * 17, "9" * 500):
        with pytest.raises(NotFound, match="No such project"):
            project_for(request_by(people.charlie, **{"X-Assay-Project": name}), "read")


def test_a_viewer_may_not_write_in_a_named_project(people):
    with pytest.raises(Forbidden):
        project_for(request_by(people.bob, "/?project=stars"), "write")


def test_header_and_parameter_that_disagree_are_refused(people):
    with pytest.raises(Invalid):
        project_for(request_by(people.alice, "/?project=1", **{"X-Assay-Project": "2"}), "read")


def test_pages_work_in_the_project_of_the_session(people):
    other = project_of((people.alice, "editor"), name="Moons")
    request = request_by(people.alice, session={"project_id": other.pk})
    assert project_for(request, "write") == other


def test_a_session_choice_that_is_no_longer_visible_is_forgotten(people):
    hidden = Project.objects.create(name="Hidden", slug="hidden")
    request = request_by(people.alice, session={"project_id": hidden.pk})
    assert project_for(request, "read") == people.project


def test_a_page_never_writes_into_another_project_than_the_one_it_shows(people):
    project_of((people.bob, "editor"), name="Moons")
    with pytest.raises(Forbidden):
        project_for(request_by(people.bob), "write")


def test_a_token_call_falls_back_to_the_oldest_project_that_fits(people):
    moons = project_of((people.bob, "editor"), name="Moons")
    token = ApiToken(user=people.bob)
    assert project_for(request_by(people.bob, auth=token), "write") == moons
    assert project_for(request_by(people.bob, auth=token), "read") == people.project
    with pytest.raises(Forbidden):
        project_for(request_by(people.bob, auth=token), "manage")


def test_nobody_signed_in_has_no_project(db):
    with pytest.raises(Forbidden):
        project_for(request_by(AnonymousUser()), "read")
