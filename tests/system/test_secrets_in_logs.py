"""No log of any process ever holds a password or a token, whatever callers do with theirs."""

import httpx

from shared.local.stack import Stack
from tests.system.office import Office, caller

PASSWORD = "a-password-that-no-log-holds"
WRONG = "a-wrong-password-that-no-log-holds"


def logs_of(stack: Stack) -> dict[str, str]:
    """Return what every process and engine of the stack has written, by file name."""
    return {path.name: path.read_text(errors="replace") for path in (stack.state / "logs").iterdir() if path.is_file()}


def test_no_password_and_no_token_is_logged(stack: Stack, office: Office, url: str) -> None:
    """Signing in, failing to, and sending secrets to where they do not belong leaves none of them in any log."""
    vendor = office.vendor()
    user = office.post("/api/auth/users/", {"username": f"logged-{vendor}", "password": PASSWORD, "role": "partner", "vendors": [vendor]})[
        "data"
    ]
    api_token = office.post(f"/api/auth/users/{user['id']}/token/", {"label": "till"})["token"]
    with caller(url, address="127.0.0.77") as client:
        login = client.post("/api/auth/token/", json={"username": user["username"], "password": PASSWORD})
        assert login.status_code == httpx.codes.OK
        token = login.json()["token"]
        assert client.post("/api/auth/token/", json={"username": user["username"], "password": WRONG}).status_code == 401
        refused = [
            client.post("/api/auth/token/", json={"username": PASSWORD, "password": [PASSWORD]}),
            client.post("/api/auth/token/", content=f'{{"password": "{PASSWORD}"'.encode(), headers={"content-type": "application/json"}),
            client.get(f"/api/vendor/{vendor}/", headers={"Authorization": f"Token {token}x"}),
            client.get(f"/api/{token}/", headers={"Authorization": f"Token {token}"}),
            client.get(f"/api/vendor/{vendor}/", params={"token": api_token}, headers={"Authorization": f"Token {token}"}),
            client.post("/api/vendor/submit-request/", json={"requester": token}, headers={"Authorization": f"Bearer {api_token}"}),
        ]
    assert all(400 <= answer.status_code < 500 for answer in refused), [answer.status_code for answer in refused]
    logs = logs_of(stack)
    assert any(name.startswith("gateway") and text for name, text in logs.items()), sorted(logs)
    secrets = [PASSWORD, WRONG, *(part for whole in (token, api_token, office.operator_token()) for part in whole.split(".")[1:])]
    found = [(name, secret[:12]) for name, text in logs.items() for secret in secrets if secret in text]
    assert found == []
