"""The vectors of docs/wire/vectors, read as a stranger would read them: by their JSON alone."""

import hashlib
import json
import pathlib
import subprocess
import sys

import pytest

from nightjar_wire import check, delegation, fragments, seals, sign
from nightjar_wire import map as maps
from nightjar_wire.fragments import Part
from nightjar_wire.record import Place
from nightjar_wire.refused import Refused

VECTORS = pathlib.Path(__file__).parents[3] / "docs" / "wire" / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


ENVELOPE, SEALS, FRAGMENTS, DELEGATION, REFUSED = map(load, ("envelope", "seals", "fragments", "delegation", "refused"))


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case["what"] for case in cases])


def place_of(case):
    return Place(case["network"], bytes.fromhex(case["target"]), case["expiry"])


def keys_of(file, case):
    """The case's meaning, its people and channels written out as the check lines want them."""
    ((kind, keys),) = case["meaning"].items()
    if kind == "channel":
        return {"channel": {"root": file["channels"][keys]["root"]}}
    if kind == "pair":
        return {"pair": {"own": file["people"][keys["own"]]["seed"], "other": file["people"][keys["other"]]["public"]}}
    written = dict(keys)
    if "chat" in keys:
        written["chat"] = [file["people"][who]["seed"] for who in keys["chat"]]
    if "accounts" in keys:
        written["accounts"] = [{"curve": curve, "scalar": file["account_keys"][curve]["scalar"]} for curve in keys["accounts"]]
    return {kind: written}


def ask(**line):
    return check.answer(json.dumps(line))


def opened(case, meaning):
    return ask(do="open", network=case["network"], target=case["target"], expiry=case["expiry"], body=case["body"], meaning=meaning)


@named(ENVELOPE["cases"])
def test_clear_forms_are_read(case):
    answer = opened(case, {"open": {}})
    assert answer["ok"] and (answer["id"], answer["map"], answer["author"]) == (case["id"], case["map"], case.get("author"))
    if "content_sha256" in case["says"]:
        case = case | {"says": dict(case["says"])}
        content = bytes.fromhex(answer["says"].pop("content")["bytes"])
        assert hashlib.sha256(content).hexdigest() == case["says"].pop("content_sha256")
    assert answer["says"] == case["says"]
    if "record" in case:
        whole = ask(do="open", network=case["network"], record=case["record"], meaning={"open": {}})
        assert whole["id"] == case["id"]


@named([case for case in ENVELOPE["cases"] if case["form"] == 2])
def test_clear_forms_are_made(case):
    seed = next(who["seed"] for who in ENVELOPE["people"].values() if who["public"] == case["author"])
    made = ask(do="make", form=2, network=case["network"], target=case["target"], expiry=case["expiry"], author=seed, map=case["map"])
    assert made["body"] == case["body"] and made["id"] == case["id"]


def test_hand_over():
    case = ENVELOPE["hand_over"]
    assert sign.hand_over_holds(case["network"], bytes.fromhex(case["old"]), bytes.fromhex(case["value"]))


@named(SEALS["cases"])
def test_seals_are_opened(case):
    answer = opened(case, keys_of(SEALS, case))
    for member in ("id", "author", "authenticated", "says", "text"):
        assert answer.get(member) == case.get(member), member


@named([case for case in SEALS["cases"] if case["form"] in (3, 4, 5)])
def test_seals_are_made(case):
    """The same body comes from the same inner body, keys and chance."""
    inner = bytes.fromhex(case["inner"])
    line = {name: case[name] for name in ("form", "network", "expiry", "target", "nonce", "ephemeral_a", "ephemeral_b") if name in case}
    if inner[0] == 2:
        line["author"] = next(who["seed"] for who in SEALS["people"].values() if who["public"] == inner[1:33].hex())
    line["map"] = inner[97 if inner[0] == 2 else 1 :].hex()
    if case["form"] == 3:
        line["channel"] = {"root": SEALS["channels"][case["meaning"]["channel"]]["root"]}
    else:
        line |= {"sender": SEALS["people"][case["sender"]]["seed"], "recipient": SEALS["people"][case["recipient"]]["public"]}
    made = ask(do="make", **line)
    assert (made["body"], made["id"], made["target"]) == (case["body"], case["id"], case["target"])


@named([case for case in SEALS["cases"] if case["form"] in (6, 7)])
def test_containers_are_made(case):
    line = {name: case[name] for name in ("form", "network", "expiry", "target", "salt", "ephemeral_scalar", "text") if name in case}
    ((_, keys),) = case["meaning"].items()
    if case["form"] == 6:
        line["raw_key"] = SEALS["account_keys"][keys["accounts"][0]]["raw"]
    else:
        line["password"] = keys["passwords"][0]
    assert ask(do="make", **line)["body"] == case["body"]


def test_channel_keys():
    for channel in SEALS["channels"]:
        key = seals.channel_key(channel["network"], channel["name"], channel["passphrase"])
        assert (key.root.hex(), key.seal.hex(), key.target.hex()) == (channel["root"], channel["seal_key"], channel["target_key"])
        assert all(key.target_of(int(day)).hex() == target for day, target in channel["targets"].items())


def test_pair_targets():
    for pair in SEALS["pairs"]:
        own, other = (SEALS["people"][who] for who in pair["between"])
        secret = seals.pair_secret(pair["network"], sign.ChatSecret(bytes.fromhex(own["seed"])), bytes.fromhex(other["public"]))
        assert secret.hex() == pair["secret"]
        for target in pair["targets"]:
            to = bytes.fromhex(SEALS["people"][target["to"]]["public"])
            assert seals.pair_target(secret, target["day"], to).hex() == target["target"]


@named(FRAGMENTS["cases"])
def test_parts_are_cut_and_joined(case):
    place = {name: case[name] for name in ("network", "target", "expiry")}
    assert ask(do="cut", **place, body=case["body"])["parts"] == case["parts"]
    assert ask(do="join", **place, parts=case["parts"][::-1])["body"] == case["body"]
    assert [Part.read(place_of(case), bytes.fromhex(part)).hash.hex() for part in case["parts"]] == case["hashes"]


def test_the_longest_body():
    case = FRAGMENTS["longest"]
    unit = bytes.fromhex(case["unit"])
    body = b"\x01" + unit[1:] + unit * 311
    assert len(body) == 65_520 and hashlib.sha256(body).hexdigest() == case["body_sha256"]
    parts = fragments.cut(place_of(case), body)
    assert hashlib.sha256(b"".join(parts)).hexdigest() == case["parts_sha256"] and len(parts) == case["count"] == 312
    with pytest.raises(Refused):
        fragments.cut(place_of(case), body + b"\x00")


@named(DELEGATION["cases"])
def test_delegations_are_read(case):
    author = None if case["scope"] == 0 else case["chat_key"]
    answer = ask(do="delegation", network=case["network"], author=author, delegation=case["delegation"])
    assert answer.pop("ok")
    assert answer == {name: case[name] for name in answer}
    message = opened(case["network"] is not None and case["proof"], {"open": {}})
    assert message["says"]["delegation"] == case["delegation"]


@named([case for case in DELEGATION["cases"] if "the other s" not in case["what"]])
def test_delegations_are_made(case):
    scalar = DELEGATION["account_keys"][case["curve"]]["scalar"]
    wanted = case.get("skipped", case)
    names = ("network", "account", "scope", "until", "name", "curve", "chat_key")
    made = ask(do="delegate", **{name: case[name] for name in names}, issued=wanted["issued"], scalar=scalar)
    assert (made["delegation"], made["issued"]) == (case["delegation"], case["issued"])


@named(REFUSED["bodies"])
def test_bodies_are_refused(case):
    answer = opened(case, keys_of(REFUSED, case))
    assert not answer["ok"] and (answer["outcome"], answer["reason"]) == (case["outcome"], case["reason"])


@named(REFUSED["contents"])
def test_contents_are_unreadable_while_the_message_is_not(case):
    answer = ask(do="map", expiry=case["expiry"], map=case["map"])
    assert answer["ok"] and answer["content_unreadable"] == case["reason"]


@named(REFUSED["hand_overs"])
def test_hand_overs_do_not_hold(case):
    assert ask(do="hand_over_holds", **case)["holds"] is False


@named(REFUSED["keys"])
def test_weak_keys_are_not_sealed_to(case):
    key = bytes.fromhex(case["key"])
    with pytest.raises(Refused):
        seals.x25519_public(key)
    assert sign.may_sign(key) == case["may_sign"]


@named(REFUSED["parts"])
def test_parts_are_refused(case):
    with pytest.raises(Refused, match=case["reason"]):
        Part.read(place_of(case), bytes.fromhex(case["body"]))


@named(REFUSED["sets"])
def test_sets_do_not_join(case):
    assert not ask(do="join", **{name: case[name] for name in ("network", "target", "expiry", "parts")})["ok"]


@named(REFUSED["delegations"])
def test_delegations_are_refused(case):
    answer = ask(do="delegation", network=case["network"], author=case["author"], delegation=case["delegation"])
    assert not answer["ok"] and answer["reason"] == case["reason"]


@named(REFUSED["taken"])
def test_what_looks_wrong_and_is_not_is_taken(case):
    assert opened(case, case["meaning"])["id"] == case["id"]


@named(REFUSED["joined"])
def test_a_forged_part_takes_nobodys_place(case):
    assert ask(do="join", **{name: case[name] for name in ("network", "target", "expiry", "parts")})["body"] == case["body"]


def test_every_run_makes_the_same_vectors(tmp_path):
    subprocess.run([sys.executable, VECTORS / "make_envelope.py", tmp_path], check=True)
    for made in sorted(tmp_path.iterdir()):
        assert made.read_bytes() == (VECTORS / made.name).read_bytes(), made.name
    assert len(list(tmp_path.iterdir())) == 5


def test_a_revocation_ends_what_it_names_and_nothing_else():
    by_what = {case["what"]: case for case in DELEGATION["cases"]}

    def read(what):
        case = by_what[what]
        author = None if case["scope"] == 0 else bytes.fromhex(case["chat_key"])
        return delegation.read(case["network"], author, bytes.fromhex(case["delegation"]))

    for curve in DELEGATION["account_keys"]:
        revoked = read(f"{curve}: revoked, sent by nobody in form 01")
        assert delegation.ends(revoked, read(f"{curve}: speaks for 1234-44, for 90 days"))
        assert not delegation.ends(revoked, read(f"{curve}: the skip rule raises issued"))
        assert not delegation.ends(revoked, revoked)
    assert maps.KINDS[9] == "proof"
