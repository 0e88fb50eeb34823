"""A server that speaks MongoDB's protocol only as far as it must to be listened to, and then sends what it is told."""
import socket
import struct
import threading

import bson

OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013

HELLO = {"ismaster": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000,
         "minWireVersion": 0, "maxWireVersion": 17, "ok": 1.0}


def document(fields):
    """A BSON document of raw fields."""
    return struct.pack("<i", len(fields) + 5) + fields + b"\0"


def string(text):
    return struct.pack("<i", len(text) + 1) + text + b"\0"


def result(*documents):
    """The answer to find with documents that are given as they are."""
    batch = document(b"".join(b"\x03%d\0" % i + d for i, d in enumerate(documents)))
    cursor = document(b"\x04firstBatch\0" + batch + b"\x12id\0" + bytes(8) + b"\x02ns\0" + string(b"d.c"))
    return document(b"\x03cursor\0" + cursor + b"\x01ok\0" + struct.pack("<d", 1))


def message(kind, rest, length=None):
    """A whole message, whatever length it claims to have; made when the number of what it answers is known."""
    return lambda request: struct.pack("<iiii", 16 + len(rest) if length is None else length, 1, request, kind) + rest


def sections(body):
    """The documents of a message as raw BSON: the command, and what is sent along with it (rows of an insert)."""
    at, found = 4, []
    while at < len(body):
        kind, size = body[at], struct.unpack_from("<i", body, at + 1)[0]
        if kind == 0:
            found.insert(0, body[at + 1:at + 1 + size])
        else:
            inner = body.index(b"\0", at + 5) + 1
            while inner < at + 1 + size:
                length, = struct.unpack_from("<i", body, inner)
                found.append(body[inner:inner + length])
                inner += length
        at += 1 + size
    return found


class HostileServer:
    """answers maps a command to a dict, to raw BSON or to a message; hello is added to the greeting.

    received has the sections of every command but greetings."""

    def __init__(self, answers, hello=None):
        self.answers, self.hello = answers, {**HELLO, **(hello or {})}
        self.received = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        stream = client.makefile("rb")
        try:
            while len(header := stream.read(16)) == 16:
                length, request, _, kind = struct.unpack("<iiii", header)
                client.sendall(self._answer(kind, stream.read(length - 16))(request))
        except (OSError, bson.errors.InvalidBSON):
            pass

    def _answer(self, kind, body):
        if kind == OP_QUERY:
            return message(OP_REPLY, struct.pack("<iqii", 0, 0, 0, 1) + bson.encode(self.hello))
        parts = sections(body)
        command = next(iter(bson.decode(parts[0])))
        if command.lower() not in ("hello", "ismaster"):
            self.received.append(parts)
        answer = self.hello if command.lower() in ("hello", "ismaster") else self.answers.get(command, {"ok": 1.0})
        answer = answer() if callable(answer) and answer.__code__.co_argcount == 0 else answer
        if callable(answer):
            return answer
        return message(OP_MSG, bytes(5) + (answer if isinstance(answer, bytes) else bson.encode(answer)))
