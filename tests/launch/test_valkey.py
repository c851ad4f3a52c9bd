import os
import signal
import stat
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from t2j_site.launch.folder import Folder
from t2j_site.launch.valkey import Valkey


@pytest.fixture
def server(folder: Folder) -> Iterator[Valkey]:
    server = Valkey(folder)
    server.start()
    server.wait_ready(print)
    yield server
    assert server.child
    server.child.stop()


def test_queued_tasks_survive_kill_9_of_the_server(server: Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.lpush("cpu", "task")
        client.execute_command("WAITAOF", 1, 0, 5000)
    address = server.url
    assert server.child
    assert server.child.pid
    assert server.child.process
    os.kill(server.child.pid, signal.SIGKILL)
    server.child.process.wait()

    server.start()
    server.wait_ready(print)

    assert server.url == address
    with redis.Redis.from_url(server.url) as client:
        assert client.lrange("cpu", 0, -1) == [b"task"]


def test_it_needs_the_password_and_hides_it(server: Valkey) -> None:
    with (
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    configuration = server.folder.run / "valkey.conf"
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert server.child
    assert server._password() not in " ".join(server.child.argv)
