"""What schemathesis cannot think up: ids of things that there are. See scripts/contract."""

import itertools
import json
import os
import urllib.error
import urllib.request
import uuid

import schemathesis

API = os.environ["CONTRACT_API"]
TOKEN = os.environ["CONTRACT_TOKEN"]
# Of three ids, one is left as it is and names nothing.
ONE_OF = 3
ACCOUNT = "0198c0de-0000-7000-8000-000000000001"
RTMP = {"kind": "rtmp", "input": "720p"}
SRT = {"kind": "srt", "input": "1080p"}
EXTERNAL = {"kind": "hls", "url": "http://127.0.0.1/live.m3u8"}

calls = itertools.count()
events = itertools.count()


def ask(method, path, body=None):
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{API}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as refusal:
        raise RuntimeError(f"{method} {path}: {refusal.read().decode()}") from None


def event():
    """An event of each kind in turn, in each state that needs no encoder."""
    turn = next(events)
    # Each time: schemathesis finds the account too, and takes its credit away.
    ask("PUT", f"/accounts/{ACCOUNT}", {"name": "contract", "live_ingest": True})
    source = (RTMP, SRT, EXTERNAL)[turn % 3]
    made = ask("POST", "/events", {"title": f"Event {turn}", "source": source, "account": ACCOUNT})["id"]
    steps = turn // 3 % 4
    if steps >= 1:
        ask("POST", f"/events/{made}/activate")
        ask("PUT", f"/events/{made}/offer", {"offer": "free"})
    if steps >= 2:
        ask("POST", f"/events/{made}/start")
    if steps >= 3:
        ask("POST", f"/events/{made}/stop")
    return made


def webhook():
    """There can be few, and one that is removed is not there any more."""
    there = ask("GET", "/webhooks")
    if there:
        return there[0]["id"]
    return ask("POST", "/webhooks", {"url": "http://127.0.0.1/hook"})["id"]


def token():
    return ask("POST", "/tokens", {"name": "contract", "role": "viewer"})["id"]


MAKERS = {"/events/{id}": event, "/webhooks/{id}": webhook, "/tokens/{id}": token}


def names_something(text):
    try:
        uuid.UUID(str(text))
    except ValueError:
        return False
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    if not names_something((case.path_parameters or {}).get("id")) or next(calls) % ONE_OF == 0:
        return
    for path, maker in MAKERS.items():
        if path in case.operation.path:
            case.path_parameters["id"] = maker()
