"""The account pages: sign-in, profile, password, tokens, projects, people."""

import re

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import reverse

from platform_site.accounts.models import ApiToken, Membership, Project, User
from tests.people import PASSWORD, person, project_of

LOGIN = "/sign-in/"


def sign_in(client, username, password=PASSWORD, **extra):
    return client.post(LOGIN, {"username": username, "password": password, **extra})


def test_sign_in_leads_home_and_sign_out_ends_the_session(people, client):
    assert sign_in(client, "alice").headers["Location"] == "/"
    assert client.get(reverse("accounts:profile")).status_code == 200
    assert client.post(reverse("accounts:logout")).status_code == 302
    assert client.get(reverse("accounts:profile")).status_code == 302


def test_sign_out_by_get_is_refused(people, as_user):
    client = as_user(people.alice)
    assert client.get(reverse("accounts:logout")).status_code == 405
    assert SESSION_KEY in client.session


def test_unknown_name_wrong_password_and_deactivated_account_get_the_same_page(people, client):
    people.bob.is_active = False
    people.bob.save()

    def page(username, password):
        html = sign_in(Client(), username, password).content.decode()
        html = re.sub(r'name="csrf\w*" (value|content)="\w+"', "", html)
        return re.sub(r'content="\w{64}"', "", html).replace(username, "")

    wrong = page("alice", "wrong")
    assert "do not match" in wrong
    assert page("nobody", "wrong") == wrong
    assert page("bob", PASSWORD) == wrong


def test_sign_in_changes_the_session_key(people, client):
    client.get(LOGIN)
    session = client.session
    session["seen"] = 1
    session.save()
    before = session.session_key
    sign_in(client, "alice")
    assert client.session.session_key != before


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "%2f%2fevil.example",
        "///evil.example",
        "\thttps://evil.example",
    ],
)
def test_next_never_leaves_the_host(people, client, target):
    location = sign_in(client, "alice", next=target).headers["Location"]
    assert not re.match(r"^(\w+:|//|/\\)", location.strip())
    assert location == "/" or location.startswith("%2f")


def test_next_leads_back_to_the_page_that_asked(people, client):
    asked = client.get("/account/tokens/?x=1").headers["Location"]
    assert asked.startswith("/sign-in/?next=/account/tokens/")
    assert sign_in(client, "alice", next="/account/tokens/?x=1").headers["Location"] == (
        "/account/tokens/?x=1"
    )


def test_sign_in_brings_theme_and_language(people, client):
    User.objects.filter(pk=people.alice.pk).update(theme="dark", language="ar")
    response = sign_in(client, "alice")
    assert response.cookies["assay_theme"].value == "dark"
    assert response.cookies["django_language"].value == "ar"


def test_session_and_theme_cookies_are_safe(people, client):
    response = sign_in(client, "alice")
    cookie = response.cookies["assay_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_sign_up_is_off_by_default(db, client):
    assert client.get("/sign-up/").status_code == 404
    answer = client.post("/sign-up/", {"username": "eve", "password1": "x", "password2": "x"})
    assert answer.status_code == 404
    assert b"/sign-up/" not in client.get(LOGIN).content


def test_sign_up_works_when_on_and_keeps_the_password_rules(db, client, settings):
    settings.SIGN_UP_ENABLED = True
    assert b"/sign-up/" in client.get(LOGIN).content
    weak = client.post(
        "/sign-up/", {"username": "eve", "password1": "password1", "password2": "password1"}
    )
    assert weak.status_code == 200
    assert not User.objects.exists()
    body = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD, "is_superuser": "on"}
    assert client.post("/sign-up/", body).status_code == 302
    eve = User.objects.get()
    assert not eve.is_superuser
    assert not eve.is_staff
    assert client.session[SESSION_KEY] == str(eve.pk)


def test_profile_changes_only_what_it_shows(people, as_user):
    client = as_user(people.alice)
    body = {
        "first_name": "Alice",
        "last_name": "Liddell",
        "email": "alice@example.com",
        "language": "en",
        "theme": "light",
        "is_superuser": "on",
        "username": "root2",
    }
    response = client.post("/account/", body)
    assert response.status_code == 302
    assert response.cookies["assay_theme"].value == "light"
    people.alice.refresh_from_db()
    assert people.alice.get_full_name() == "Alice Liddell"
    assert people.alice.username == "alice"
    assert not people.alice.is_superuser


def test_profile_names_the_bad_field(people, as_user):
    page = as_user(people.alice).post("/account/", {"email": "nonsense", "theme": "neon"})
    assert page.status_code == 200
    assert "neon" in page.content.decode()
    people.alice.refresh_from_db()
    assert people.alice.email == "alice@example.org"


def test_password_change_ends_other_sessions_and_tokens_but_not_this_one(people, as_user):
    here, elsewhere = as_user(people.alice), as_user(people.alice)
    ApiToken.objects.create(people.alice, name="script")
    key_before = here.session.session_key
    new = "brand new staple"
    body = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/account/password/", {**body, "revoke_tokens": "on"}).status_code == 302
    assert here.get("/account/").status_code == 200
    assert here.session.session_key != key_before
    assert elsewhere.get("/account/").status_code == 302
    assert not ApiToken.objects.exists()
    assert sign_in(Client(), "alice", new).status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "again", "message"),
    [
        ("wrong", "brand new staple", "brand new staple", "current password is wrong"),
        (PASSWORD, "short", "short", "too short"),
        (PASSWORD, "1234567890123", "1234567890123", "numeric"),
        (PASSWORD, "brand new staple", "brand new stable", "match"),
    ],
)
def test_password_change_says_what_is_wrong(people, as_user, old, new, again, message):
    client = as_user(people.alice)
    body = {"old_password": old, "new_password1": new, "new_password2": again}
    page = client.post("/account/password/", body)
    assert page.status_code == 200
    assert message in page.content.decode()
    people.alice.refresh_from_db()
    assert people.alice.check_password(PASSWORD)


def test_a_token_is_shown_once_and_stored_as_a_digest(people, as_user):
    client = as_user(people.alice)
    page = client.post("/account/tokens/", {"name": "ci", "scope": "read", "expires_in_days": "7"})
    secret = re.search(r"assay_[0-9a-f]{64}", page.content.decode()).group()
    again = client.get("/account/tokens/").content.decode()
    assert secret not in again
    assert secret[:15] in again
    token = ApiToken.objects.get()
    assert secret not in " ".join(str(value) for value in vars(token).values())
    assert token.scope == "read"


def test_nobody_revokes_the_token_of_somebody_else(people, as_user):
    token, _secret = ApiToken.objects.create(people.alice, name="ci")
    path = f"/account/tokens/{token.token_key}/revoke/"
    assert as_user(people.charlie).post(path).status_code == 404
    assert ApiToken.objects.exists()
    assert as_user(people.alice).post(path).status_code == 302
    assert not ApiToken.objects.exists()


def test_who_makes_a_project_administers_it(people, as_user):
    client = as_user(people.charlie)
    assert client.post("/projects/", {"name": "  Dark   matter "}).status_code == 302
    project = Project.objects.get(slug="dark-matter")
    assert project.name == "Dark matter"
    assert project.memberships.get().role == "administrator"
    assert client.session["project_id"] == project.pk
    assert client.get("/projects/").status_code == 200


def test_a_project_name_is_taken_whatever_its_case(people, as_user):
    page = as_user(people.charlie).post("/projects/", {"name": "STARS"})
    assert "exists already" in page.content.decode()
    assert not Membership.objects.filter(user=people.charlie).exists()


@pytest.mark.parametrize("name", ["a\u200bb", "\u202eevil", "  ", "x" * 101])
def test_a_project_name_that_cannot_be_read_is_refused(people, as_user, name):
    page = as_user(people.charlie).post("/projects/", {"name": name})
    assert page.status_code == 200
    assert "field-error" in page.content.decode()


PROJECT_POSTS = [
    ("/projects/{project}/", {"name": "Mine"}),
    ("/projects/{project}/members/", {"username": "charlie", "role": "administrator"}),
    ("/projects/{project}/members/{alice}/role/", {"role": "viewer"}),
    ("/projects/{project}/members/{alice}/remove/", {}),
]


@pytest.mark.parametrize(("path", "body"), PROJECT_POSTS)
def test_strangers_and_small_roles_change_nothing(people, as_user, path, body):
    path = path.format(project=people.project.pk, alice=people.alice.pk)
    before = list(Membership.objects.values_list("user", "role"))
    assert as_user(people.charlie).post(path, body).status_code == 404
    assert as_user(people.bob).post(path, body).status_code == 403
    assert list(Membership.objects.values_list("user", "role")) == before


def test_a_stranger_sees_no_difference_between_a_foreign_and_a_missing_project(people, as_user):
    client = as_user(people.charlie)
    foreign = client.get(f"/projects/{people.project.pk}/")
    missing = client.get("/projects/999999/")
    assert foreign.status_code == missing.status_code == 404


def test_an_administrator_manages_members(people, as_user):
    Membership.objects.filter(user=people.alice).update(role="administrator")
    client = as_user(people.alice)
    base = f"/projects/{people.project.pk}/"
    assert client.get(base).status_code == 200
    client.post(base + "members/", {"username": "charlie", "role": "editor"})
    assert people.project.memberships.get(user=people.charlie).role == "editor"
    client.post(base + f"members/{people.charlie.pk}/role/", {"role": "approver"})
    assert people.project.memberships.get(user=people.charlie).role == "approver"
    client.post(base + f"members/{people.charlie.pk}/remove/")
    assert not people.project.memberships.filter(user=people.charlie).exists()
    client.post(base, {"name": "Galaxies", "description": "far"})
    people.project.refresh_from_db()
    assert (people.project.name, people.project.slug) == ("Galaxies", "stars")


def test_the_last_administrator_stays(people, as_user):
    Membership.objects.filter(user=people.alice).update(role="administrator")
    client = as_user(people.alice)
    base = f"/projects/{people.project.pk}/members/{people.alice.pk}/"
    assert client.post(base + "remove/").status_code == 409
    assert client.post(base + "role/", {"role": "viewer"}).status_code == 409
    assert people.project.memberships.get(user=people.alice).role == "administrator"


def test_a_member_may_leave(people, as_user):
    path = f"/projects/{people.project.pk}/members/{people.bob.pk}/remove/"
    answer = as_user(people.bob).post(path)
    assert answer.headers["Location"] == "/projects/"
    assert not people.project.memberships.filter(user=people.bob).exists()


def test_the_project_switch_keeps_the_choice_and_stays_on_the_host(people, as_user):
    other = project_of((people.bob, "viewer"), name="Moons")
    client = as_user(people.bob)
    answer = client.post("/projects/switch/", {"project": other.pk, "next": "//evil.example"})
    assert answer.headers["Location"] == "/"
    assert client.session["project_id"] == other.pk
    hidden = project_of(name="Hidden")
    assert client.post("/projects/switch/", {"project": hidden.pk}).status_code == 404
    assert client.post("/projects/switch/", {"project": "x' OR 1"}).status_code == 400
    assert client.session["project_id"] == other.pk


def test_only_administrators_of_the_installation_see_people(people, as_user):
    for user in (people.alice, people.bob, people.charlie):
        client = as_user(user)
        assert client.get("/people/").status_code == 403
        assert client.post("/people/", {"username": "x"}).status_code == 403
        assert client.post(f"/people/{people.root.pk}/reset/").status_code == 403
        assert client.post(f"/people/{people.root.pk}/active/").status_code == 403
    people.root.refresh_from_db()
    assert people.root.is_active
    assert as_user(people.root).get("/people/").status_code == 200


def test_an_invited_person_chooses_a_password_once(people, as_user, client):
    page = as_user(people.root).post("/people/", {"username": "dora"}).content.decode()
    path = re.search(r"http://testserver(/set-password/[^<\"\s]+)", page).group(1)
    assert sign_in(Client(), "dora", "").status_code == 200
    first = client.get(path)
    form = first.headers["Location"]
    assert path.split("/")[-2] not in form
    body = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(form, body).status_code == 302
    assert sign_in(Client(), "dora").status_code == 302
    late = Client().get(path)
    assert b"works no longer" in late.content


def test_reset_ends_sessions_and_tokens(people, as_user):
    victim = as_user(people.alice)
    ApiToken.objects.create(people.alice, name="ci")
    page = as_user(people.root).post(f"/people/{people.alice.pk}/reset/")
    assert b"/set-password/" in page.content
    assert victim.get("/account/").status_code == 302
    assert not ApiToken.objects.exists()
    assert sign_in(Client(), "alice").status_code == 200


def test_deactivation_signs_out_everywhere(people, as_user):
    victim = as_user(people.alice)
    ApiToken.objects.create(people.alice, name="ci")
    root = as_user(people.root)
    root.post(f"/people/{people.alice.pk}/active/", {"is_active": "no"})
    assert victim.get("/account/").status_code == 302
    assert not ApiToken.objects.exists()
    root.post(f"/people/{people.alice.pk}/active/", {"is_active": "yes"})
    assert sign_in(Client(), "alice").status_code == 302


def test_nobody_deactivates_themselves(people, as_user):
    path = f"/people/{people.root.pk}/active/"
    assert as_user(people.root).post(path, {"is_active": "no"}).status_code == 403
    people.root.refresh_from_db()
    assert people.root.is_active


def test_lists_do_not_query_more_with_more_rows(people, as_user, django_assert_max_num_queries):
    client = as_user(people.alice)
    for number in range(20):
        project_of((people.alice, "viewer"), (person(f"p{number}"), "viewer"), name=f"P{number}")
        ApiToken.objects.create(people.alice, name=f"t{number}")
        Membership.objects.create(project=people.project, user=person(f"p{number}"), role="viewer")
    with django_assert_max_num_queries(6):
        client.get("/projects/")
    with django_assert_max_num_queries(4):
        client.get("/account/tokens/")
    with django_assert_max_num_queries(8):
        client.get(f"/projects/{people.project.pk}/")
    root = as_user(people.root)
    with django_assert_max_num_queries(5):
        root.get("/people/")
