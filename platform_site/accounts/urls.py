"""Pages of people, projects and tokens."""

from django.urls import path
from django.views.generic import RedirectView

from platform_site.accounts.web import account, people, projects, sign_in
from platform_site.core.access_rules import login_needed

app_name = "accounts"
urlpatterns = [
    path("sign-in/", sign_in.SignInView.as_view(), name="login"),
    path("sign-out/", sign_in.SignOutView.as_view(), name="logout"),
    path("sign-up/", sign_in.sign_up, name="sign-up"),
    path("first-sign-in/<str:secret>/", sign_in.first_sign_in, name="first-sign-in"),
    path(
        "set-password/<str:uidb64>/<str:token>/",
        sign_in.ChoosePasswordView.as_view(),
        name="set-password",
    ),
    path("account/", account.profile, name="profile"),
    path("account/password/", account.password_change, name="password_change"),
    # The console's own form would not count wrong guesses.
    path(
        "admin/password_change/",
        login_needed(RedirectView.as_view(pattern_name="accounts:password_change")),
    ),
    path("account/tokens/", account.token_list, name="tokens"),
    path("account/tokens/<str:token_key>/revoke/", account.token_revoke, name="token-revoke"),
    path("projects/", projects.project_list, name="project-list"),
    path("projects/switch/", projects.project_switch, name="project-switch"),
    path("projects/<int:project_id>/", projects.project_detail, name="project-detail"),
    path("projects/<int:project_id>/members/", projects.member_add, name="member-add"),
    path(
        "projects/<int:project_id>/members/<int:user_id>/role/",
        projects.member_change,
        name="member-role",
    ),
    path(
        "projects/<int:project_id>/members/<int:user_id>/remove/",
        projects.member_remove,
        name="member-remove",
    ),
    path("people/", people.people_list, name="people"),
    path("people/<int:user_id>/reset/", people.person_reset, name="person-reset"),
    path("people/<int:user_id>/active/", people.person_activate, name="person-active"),
]
