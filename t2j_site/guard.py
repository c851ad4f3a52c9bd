"""What every answer carries, and what no request may be."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

# Scripts, styles, fonts and requests of our own only, none of them inside a page.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
TOO_LARGE = "This is larger than this server takes: {most} MB in one request (T2J_UPLOAD_BYTES)."


class GuardMiddleware:
    """Refuses bodies over T2J_UPLOAD_BYTES before a byte is read, and sends the content policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused = self._refusal(request)
        response = refused or self.get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    @staticmethod
    def _refusal(request: HttpRequest) -> HttpResponse | None:
        # Without a length there is no body: the server reads none.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= settings.T2J_UPLOAD_BYTES:
            return None
        text = TOO_LARGE.format(most=settings.T2J_UPLOAD_BYTES // 2**20)
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": text}, status=413)
        return render(request, "413.html", status=413)
