"""What is said about requests that reach no view: a page to people, JSON to programs."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from curation.views import errors

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    page = errors.bad_request(request, exception)
    if not request.path.startswith(API):
        return page
    said = "The body is too large." if page.status_code == 413 else "The request cannot be read."
    return JsonResponse({"detail": said}, status=page.status_code)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"detail": "There is no such address."}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return JsonResponse({"detail": "Something of ours broke; the log says what."}, status=500)
