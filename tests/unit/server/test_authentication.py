"""Secrets: what is compared, how often, and what is remembered."""

import base64
import hmac
import threading

import pytest
import yaml

from chroma_search.errors import InvalidConfigError, RateLimitError, UnauthenticatedError
from chroma_search.server.access import authentication, secrets
from chroma_search.server.access.authentication import Authentication
from chroma_search.server.access.secrets import hashed_password, hashed_token, is_password, new_token
from chroma_search.server.access.users_file import UserEntry, UsersEntry, read_users, write_entries

GRANTS = [{"role": "reader"}]


def written(path, **users):
    path.write_text(yaml.safe_dump({"users": users}))
    return path


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(name, password):
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_each_token_of_each_user_is_compared_whichever_is_right(tmp_path, monkeypatch):
    users = {name: {"tokens": [hashed_token(f"{name}{at}") for at in range(3)], "grants": GRANTS} for name in "abc"}
    known = Authentication(written(tmp_path / "users.yaml", **users))
    compared = []
    real = hmac.compare_digest

    def counted(held, given):
        compared.append(len(held) == len(given))  # of one length, so that nothing is told by the length
        return real(held, given)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for token, user in (("a0", "a"), ("b1", "b"), ("c2", "c"), ("nope", None), ("", None), ("a" * 10_000, None)):
        compared.clear()
        if user is None:
            with pytest.raises(UnauthenticatedError):
                known.identify(bearer(token or "."), "1.2.3.4")
        else:
            assert known.identify(bearer(token), "1.2.3.4").user == user
        assert compared == [True] * 9


def test_an_unknown_user_costs_as_much_as_a_wrong_password(tmp_path, monkeypatch):
    ana = {"password": hashed_password("right"), "grants": GRANTS}
    known = Authentication(written(tmp_path / "users.yaml", ana=ana, bob={"tokens": [], "grants": GRANTS}))
    costs = []
    real = secrets._scrypt
    monkeypatch.setattr(
        secrets, "_scrypt", lambda password, salt, *cost: costs.append(cost) or real(password, salt, *cost)
    )
    for name, password in (("ana", "wrong"), ("nobody", "right"), ("bob", "right"), ("", "")):
        with pytest.raises(UnauthenticatedError):
            known.identify(basic(name, password), "1.2.3.4")
    assert costs == [(secrets.SCRYPT_N, secrets.SCRYPT_R, secrets.SCRYPT_P)] * 4


def test_a_right_password_is_tried_once_and_again_after_a_while(tmp_path, monkeypatch):
    now = [0.0]
    ana = {"password": hashed_password("right"), "grants": GRANTS}
    known = Authentication(written(tmp_path / "users.yaml", ana=ana), lambda: now[0])
    tried = []
    monkeypatch.setattr(
        authentication, "is_password", lambda given, held: tried.append(given) or is_password(given, held)
    )
    for at in (0.0, 1.0, 299.0):
        now[0] = at
        assert known.is_slow(basic("ana", "right")) == (at == 0.0)
        assert known.identify(basic("ana", "right"), "x").user == "ana"
    assert tried == ["right"]
    now[0] = 301.0
    known.identify(basic("ana", "right"), "x")
    assert tried == ["right", "right"]


def test_a_burst_of_wrong_passwords_is_tried_ten_times(tmp_path, monkeypatch):
    ana = {"password": hashed_password("right"), "grants": GRANTS}
    known = Authentication(written(tmp_path / "users.yaml", ana=ana), lambda: 0.0)
    tried, ends = [], []
    monkeypatch.setattr(authentication, "is_password", lambda given, _: tried.append(given) or False)

    def call(at):
        try:
            known.identify(basic("ana", f"wrong {at}"), "one address")
        except (UnauthenticatedError, RateLimitError) as error:
            ends.append(type(error))

    threads = [threading.Thread(target=call, args=(at,)) for at in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(tried) == 10
    assert (ends.count(UnauthenticatedError), ends.count(RateLimitError)) == (10, 20)
    with pytest.raises(UnauthenticatedError):
        known.identify(basic("ana", "wrong"), "another address")


def test_a_user_who_is_removed_while_their_password_is_tried_is_not_remembered(tmp_path, monkeypatch):
    now = [0.0]
    path = written(tmp_path / "users.yaml", ana={"password": hashed_password("right"), "grants": GRANTS})
    known = Authentication(path, lambda: now[0])

    def meanwhile(given, held):
        written(path, bob={"grants": GRANTS})
        now[0] = 10.0
        with pytest.raises(UnauthenticatedError):
            known.identify({}, "x")  # another call reads the file again
        return is_password(given, held)

    monkeypatch.setattr(authentication, "is_password", meanwhile)
    known.identify(basic("ana", "right"), "x")  # came before the removal
    monkeypatch.undo()
    with pytest.raises(UnauthenticatedError):
        known.identify(basic("ana", "right"), "x")


@pytest.mark.parametrize(
    "user",
    [
        {"tokens": ["plain text"]}, {"tokens": ["sha256:" + "é" * 64]}, {"tokens": ["sha256:" + "g" * 64]},
        {"tokens": ["sha256:abc"]}, {"password": "plain text"}, {"password": "scrypt:1073741824:8:1:AAAA:AAAA"},
        {"password": "scrypt:x:8:1:AAAA:AAAA"}, {"password": "md5:16384:8:1:AAAA:AAAA"}, {"grants": [{"role": "root"}]},
        {"grants": [{"role": "reader", "tenat": "x"}]}, {"passwrd": "x"},
        {"tokens": "sha256:" + "a" * 64}, {"grants": None},
    ],
)  # fmt: skip
def test_a_users_file_with_a_mistake_is_refused_without_telling_its_secrets(tmp_path, user):
    path = written(tmp_path / "users.yaml", ana=user)
    with pytest.raises(InvalidConfigError) as told:
        read_users(path)
    assert "plain text" not in str(told.value)


@pytest.mark.parametrize(
    "text", ["users: [", "[]", "users: {a: {b", "\xff", "!!python/object/apply:os.system ['true']"]
)
def test_a_users_file_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "users.yaml"
    path.write_text(text, "latin-1")
    with pytest.raises(InvalidConfigError):
        read_users(path)


def test_a_users_file_is_written_for_its_owner_alone_whatever_lay_in_the_way(tmp_path):
    path, other = tmp_path / "users.yaml", tmp_path / "other"
    other.write_text("untouched")
    (tmp_path / ".users.yaml.new").symlink_to(other)
    write_entries(path, UsersEntry(users={"ana": UserEntry(tokens=[hashed_token(new_token())])}))
    assert other.read_text() == "untouched"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_symlink()


def test_a_hash_in_capitals_is_the_same_hash(tmp_path):
    token = new_token()
    held = hashed_token(token).replace("sha256:", "").upper()
    known = Authentication(written(tmp_path / "users.yaml", ana={"tokens": [f"sha256:{held}"], "grants": GRANTS}))
    assert known.identify(bearer(token), "x").user == "ana"


def test_tokens_differ_and_have_256_bits():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(base64.urlsafe_b64decode(each.removeprefix("csk_") + "=")) == 32 for each in tokens)
