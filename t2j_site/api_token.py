"""A token of the API for a user name and password, for programs that have nothing else."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from curation.serializers import RefusalSerializer
from curation.services.tokens import TokenRefused, make_token
from t2j_site.api_rules import SignInLimit


class SignInSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=100, default="made with a password")
    days = serializers.IntegerField(
        min_value=1, max_value=3650, required=False, help_text="Left out: until it is revoked"
    )


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Shown only now; its hash is what is kept")


class NewToken(APIView):
    """Tokens."""

    authentication_classes: list[Any] = []
    throttle_classes = [SignInLimit]

    @extend_schema(
        request=SignInSerializer,
        responses={201: TokenSerializer, 409: RefusalSerializer},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Make a token for a user name and password. The page “Your tokens” makes them, too."""
        asked = SignInSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        user = authenticate(request._request, username=said["username"], password=said["password"])
        if not isinstance(user, User):
            raise ValidationError({"detail": "There is no account of that name and password."})
        try:
            _, text = make_token(user, name=said["name"], days=said.get("days"), by=user)
        except TokenRefused as refused:
            return Response({"detail": str(refused)}, status=status.HTTP_409_CONFLICT)
        return Response({"token": text}, status=status.HTTP_201_CREATED)
