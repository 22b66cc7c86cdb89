"""URLs of the account pages."""

from django.urls import path

from accounts import token_views, views

app_name = "accounts"
urlpatterns = [
    path("sign-up", views.SignUp.as_view(), name="sign_up"),
    path("log-in", views.log_in, name="log_in"),
    path("log-out", views.log_out, name="log_out"),
    path("password", views.password_reset, name="password_reset"),
    path("password/sent", views.password_reset_sent, name="password_reset_sent"),
    path("password/set", views.password_reset_complete, name="password_reset_complete"),
    path("password/<uidb64>/<token>", views.password_reset_confirm, name="password_reset_confirm"),
    path("tokens", token_views.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke", token_views.revoke, name="revoke_token"),
]
