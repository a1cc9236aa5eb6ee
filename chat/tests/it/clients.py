"""A chat client of python-socketio's, over one transport: clients.py URL TRANSPORT CHANNEL TOKEN TEXT.

Joins, says TEXT twice under one client_id, hears it once, and is refused what makes no sense. Prints the message's id.
"""

import sys
import threading

import socketio

url, transport, channel, token, text = sys.argv[1:]
client = socketio.Client(reconnection=False, request_timeout=10)
heard = []
arrived = threading.Event()


@client.on("chat:message")
def hear(message):
    heard.append(message)
    if message["text"] == text:
        arrived.set()


client.connect(url, auth={"token": token}, transports=[transport], wait_timeout=10)
assert client.transport() == transport, client.transport()

joined = client.call("stream:join", {"username": channel}, timeout=10)
assert joined["ok"] is True, joined
line = {"username": channel, "text": text, "client_id": text}
said = client.call("chat:send", line, timeout=10)
assert said["ok"] is True, said
again = client.call("chat:send", line, timeout=10)
assert again["message"]["id"] == said["message"]["id"], (said, again)
refused = client.call("no:such", {"a": [{}]}, timeout=10)
assert refused["ok"] is False and refused["code"], refused

assert arrived.wait(10)
page = client.call("chat:history", {"username": channel, "limit": 50}, timeout=10)
for messages in (page["items"], heard):
    assert [message["text"] for message in messages].count(text) == 1, messages
client.disconnect()
assert not client.connected
print(said["message"]["id"])
