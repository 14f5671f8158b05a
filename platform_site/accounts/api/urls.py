"""API of people, projects and tokens."""

from django.urls import path

from platform_site.accounts.api import (
    auth_views,
    openapi,  # noqa: F401  # registers by import
    people_views,
    project_views,
)

urlpatterns = [
    path("auth/token/", auth_views.PasswordTokenView.as_view(), name="api-auth-token"),
    path("auth/logout/", auth_views.SignOutView.as_view(), name="api-auth-logout"),
    path("me/", auth_views.MeView.as_view(), name="api-me"),
    path("me/password/", auth_views.PasswordView.as_view(), name="api-me-password"),
    path("tokens/", auth_views.TokenListView.as_view(), name="api-token-list"),
    path("tokens/<str:token_key>/", auth_views.TokenDetailView.as_view(), name="api-token-detail"),
    path("projects/", project_views.ProjectListView.as_view(), name="api-project-list"),
    path(
        "projects/<int:project_id>/",
        project_views.ProjectDetailView.as_view(),
        name="api-project-detail",
    ),
    path(
        "projects/<int:project_id>/members/",
        project_views.MemberListView.as_view(),
        name="api-member-list",
    ),
    path(
        "projects/<int:project_id>/members/<int:user_id>/",
        project_views.MemberDetailView.as_view(),
        name="api-member-detail",
    ),
    path("people/", people_views.PersonListView.as_view(), name="api-person-list"),
    path(
        "people/<int:user_id>/", people_views.PersonDetailView.as_view(), name="api-person-detail"
    ),
    path(
        "people/<int:user_id>/reset/",
        people_views.PersonResetView.as_view(),
        name="api-person-reset",
    ),
]
