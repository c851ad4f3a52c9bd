"""Webhooks: which addresses are taken, what is sent, and what happens when it does not arrive."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from curation import tasks
from curation.enums import DeliveryState, WebhookEvent
from curation.models import Dataset, Delivery, Draft, Webhook
from curation.services import review, webhooks
from curation.webhooks import address, pipeline, post
from tests.api.calls import said
from tests.factories import make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def api(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


@pytest.fixture
def inside(settings: Any) -> None:
    settings.T2J_WEBHOOKS_INSIDE = True


@dataclass(slots=True)
class Receiver:
    """A server that answers each message with the next status, and keeps what came."""

    statuses: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    kept = Receiver(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.came.append((dict(self.headers), body))
            self.send_response(kept.statuses.pop(0) if kept.statuses else 200)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
        yield kept
        server.shutdown()


def hook(dataset: Dataset, url: str, *events: WebhookEvent) -> Webhook:
    wanted = events or (WebhookEvent.APPROVED,)
    return webhooks.register(dataset, url=url, events=wanted, by=None)


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        *("http://8.8.8.8/", "ftp://8.8.8.8/", "https://", "8.8.8.8", "javascript:alert(1)"),
        *("https://user:pass@8.8.8.8/", "https://8.8.8.8/#x", "https://8.8.8.8:99999/"),
        *("https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://0.0.0.0/"),
        *("https://10.0.0.1/", "https://192.168.1.1/", "https://172.16.0.1/"),
        *("https://169.254.169.254/latest/", "https://[fe80::1]/", "https://[fd00::1]/"),
        *("https://[::ffff:127.0.0.1]/", "https://[2002:7f00:1::]/", "https://[64:ff9b::a00:1]/"),
        *("https://100.64.0.1/", "https://224.0.0.1/", "https://2130706433/", "https://0x7f.1/"),
        *("https://8.8.8.8/\r\nHost: x", "https://8.8.8.8/a b", "https://exämple.org/"),
    ],
)
def test_addresses_inside_and_nonsense_are_refused(api: Client, url: str) -> None:
    make_dataset("mine")
    data = {"dataset": "mine", "url": url, "events": ["approved"]}
    code, answer = said(api, "post", "/webhooks/", data)
    assert (code, list(answer)) == (400, ["url"])
    assert not Webhook.objects.exists()


def test_an_address_outside_is_taken() -> None:
    found = address.look_up("https://8.8.8.8:8443/hook?a=1")
    assert (found.ip, found.netloc, found.path) == ("8.8.8.8", "8.8.8.8:8443", "/hook?a=1")
    assert address.look_up("https://[2001:4860:4860::8888]").netloc == "[2001:4860:4860::8888]"


def test_a_name_that_leads_inside_at_any_of_its_addresses_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (ip, port)) for ip in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(address.AddressRefused, match="inside the studio's own network"):
        address.look_up("https://example.org/")


def test_a_name_that_leads_inside_later_gets_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset("mine")
    with receiver() as there:
        settings.T2J_WEBHOOKS_INSIDE = True
        webhook = hook(dataset, there.url)
        settings.T2J_WEBHOOKS_INSIDE = False
        Webhook.objects.update(url=there.url.replace("http:", "https:"))
        delivery = webhooks.ping(webhook, by=None)
        pipeline.deliver(str(delivery.pk))
        delivery.refresh_from_db()
        assert there.came == []
    assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, 1)
    assert delivery.note.startswith("AddressRefused: The host 127.0.0.1 is inside")


@pytest.mark.parametrize("ip", ["1.1.1.1", "2606:4700::1111", "2002:101:101::"])
def test_the_internet_is_outside(ip: str) -> None:
    assert address.is_outside(ip_address(ip))


# Messages


def approved(dataset: Dataset, by: User) -> Draft:
    draft = make_draft(example=make_example(dataset))
    return review.act(draft, review.ACTIONS["approve"], text="Read by hand.", by=by)


def test_an_approval_is_told_once_and_signed(
    ann: User,
    inside: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    dataset = make_dataset("mine")
    with receiver() as there:
        webhook = hook(dataset, there.url)
        hook(dataset, there.url, WebhookEvent.RELEASED)
        off = hook(dataset, there.url)
        webhooks.change(off, enabled=False, by=None)
        hook(make_dataset("other"), there.url)
        with django_capture_on_commit_callbacks() as sent:
            draft = approved(dataset, ann)
        delivery = Delivery.objects.get()
        assert any(str(delivery.pk) in str(each) for each in sent)
        # Two workers, or one message twice: one delivery.
        tasks.deliver_webhook(str(delivery.pk))
        tasks.deliver_webhook(str(delivery.pk))
    ((headers, body),) = there.came
    told = json.loads(body)
    assert told | {"at": "", "delivery": ""} == {
        "event": "approved",
        "delivery": "",
        "at": "",
        "dataset": "mine",
        "by": "ann",
        "draft": draft.pk,
        "example": draft.example_id,
        "example_id": draft.example.example_id,
        "revision": 0,
        "reason": "Read by hand.",
    }
    assert told["delivery"] == headers["T2J-Delivery"] == str(delivery.pk)
    at, _, signature = headers["T2J-Signature"].removeprefix("t=").partition(",v1=")
    secret = pipeline.secret_of(webhook).encode()
    assert signature == hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.attempts) == ("delivered", 200, 1)
    assert delivery.finished_at is not None


def test_an_approval_that_is_rolled_back_is_not_told(ann: User) -> None:
    dataset = make_dataset("mine")
    hook(dataset, "https://8.8.8.8/")
    draft = make_draft(example=make_example(dataset))
    with pytest.raises(review.ReviewRefused):
        review.act(draft, review.ACTIONS["approve"], by=ann)
    assert not Delivery.objects.exists()


def test_what_fails_is_sent_again_later_and_later(inside: None, settings: Any) -> None:
    settings.T2J_WEBHOOK_BACKOFF = 10
    with receiver(500, 302) as there:
        delivery = webhooks.ping(hook(make_dataset("mine"), there.url), by=None)
        for attempt, note, wait in ((1, "answered 500.", 10), (2, "answered 302.", 20)):
            before = timezone.now()
            pipeline.deliver(str(delivery.pk))
            delivery.refresh_from_db()
            assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, attempt)
            assert delivery.note.endswith(note)
            assert delivery.due_at >= before + timedelta(seconds=wait)
            # Not before it is due.
            pipeline.deliver(str(delivery.pk))
            assert len(there.came) == attempt
            assert pipeline.due() == []
            Delivery.objects.update(due_at=timezone.now())
            assert pipeline.due() == [str(delivery.pk)]
        pipeline.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.note) == ("delivered", 200, "")
    ids = {headers["T2J-Delivery"] for headers, _ in there.came}
    assert ids == {str(delivery.pk)}


def test_after_nine_attempts_it_is_given_up(inside: None) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        delivery = webhooks.ping(hook(make_dataset("mine"), url), by=None)
        for _ in range(pipeline.MOST_ATTEMPTS + 2):
            Delivery.objects.update(due_at=timezone.now())
            pipeline.deliver(str(delivery.pk))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("failed", pipeline.MOST_ATTEMPTS)
    assert delivery.note.startswith("ConnectionRefusedError")
    assert pipeline.pause_after(1) < pipeline.pause_after(2) < pipeline.pause_after(30)
    assert pipeline.pause_after(30) == pipeline.LONGEST_PAUSE


def test_a_receiver_that_drips_is_cut_off(inside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "WHOLE_SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            there, _ = server.accept()
            with there:
                there.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    try:
                        there.sendall(b"X-A: 1\r\n"[:1])
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        delivery = webhooks.ping(hook(make_dataset("mine"), url), by=None)
        pipeline.deliver(str(delivery.pk))
        over.set()
        dripping.join()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, 1)
    assert delivery.note


def test_a_result_of_a_lost_worker_is_dropped(inside: None) -> None:
    delivery = webhooks.ping(hook(make_dataset("mine"), "http://127.0.0.1:1/"), by=None)
    first = pipeline._claim(str(delivery.pk))
    assert first is not None
    Delivery.objects.update(due_at=timezone.now())
    assert pipeline._claim(str(delivery.pk)) is not None
    pipeline._store(first, 200, "")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, 2)


def test_what_is_due_is_looked_after_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(tasks, "send_delivery", sent.append)
    delivery = webhooks.ping(hook(make_dataset("mine"), "https://8.8.8.8/"), by=None)
    seen: dict[str, float] = {}
    tasks.look_after(seen)
    tasks.look_after(seen)
    assert sent == [str(delivery.pk)]
    seen[str(delivery.pk)] -= 61
    tasks.look_after(seen)
    assert sent == [str(delivery.pk)] * 2


# Leads


def test_a_lead_registers_changes_tries_and_removes(api: Client, inside: None) -> None:
    make_dataset("mine")
    with receiver() as there:
        data = {"dataset": "mine", "url": there.url, "events": ["released", "approved"]}
        code, made = said(api, "post", "/webhooks/", data)
        assert (code, made["events"], len(made["secret"])) == (201, ["approved", "released"], 64)
        path = f"/webhooks/{made['id']}/"
        assert "secret" not in said(api, "get", path)[1]
        assert said(api, "patch", path, {"events": ["released"]})[1]["events"] == ["released"]
        code, renewed = said(api, "post", f"{path}secret/")
        assert (code, renewed["secret"] != made["secret"]) == (200, True)
        code, sent = said(api, "post", f"{path}ping/")
        assert (code, sent["state"]) == (202, "waiting")
        pipeline.deliver(sent["id"])
        ((headers, _),) = there.came
        assert headers["T2J-Event"] == "ping"
        (logged,) = said(api, "get", f"{path}deliveries/")[1]
        assert (logged["state"], logged["status"]) == ("delivered", 200)
        assert said(api, "patch", path, {"enabled": False})[1]["enabled"] is False
        sent = said(api, "post", f"{path}ping/")[1]
        pipeline.deliver(sent["id"])
        assert Delivery.objects.get(pk=sent["id"]).state == "failed"
    assert said(api, "delete", path)[0] == 204
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("events", [[], ["ping"], ["approved"] * 3, None])
def test_only_events_that_there_are_can_be_wanted(api: Client, events: Any) -> None:
    make_dataset("mine")
    data = {"dataset": "mine", "url": "https://8.8.8.8/", "events": events}
    assert said(api, "post", "/webhooks/", data)[0] == 400


def test_a_dataset_has_twenty_webhooks_at_most() -> None:
    dataset = make_dataset("mine")
    for _ in range(webhooks.MOST):
        hook(dataset, "https://8.8.8.8/")
    with pytest.raises(webhooks.WebhookRefused, match="has 20 webhooks already"):
        hook(dataset, "https://8.8.8.8/")


def test_an_unknown_state_is_refused_by_the_database() -> None:
    delivery = webhooks.ping(hook(make_dataset("mine"), "https://8.8.8.8/"), by=None)
    with pytest.raises(DatabaseError):
        Delivery.objects.filter(pk=delivery.pk).update(state="lost")
