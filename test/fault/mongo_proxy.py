"""A TCP proxy in front of a MongoDB that understands where messages end, and misbehaves on request."""
import socket
import struct
import threading
import time

import bson

OP_REPLY, OP_MSG = 1, 2013
LATE = 0.15  # seconds


def command_of(message):
    """The command's name; 'hello' for the greeting, in whatever form the driver sends it."""
    if struct.unpack_from("<i", message, 12)[0] != OP_MSG:
        return "hello"
    name = message[16 + 4 + 1 + 4 + 1:].split(b"\0", 1)[0].decode()
    return "hello" if name.lower() == "ismaster" else name


def answer_to(request, document):
    """A whole message that answers another one, in the form in which that came."""
    number, _, kind = struct.unpack_from("<iii", request, 4)
    body = bytes(5) + document if kind == OP_MSG else struct.pack("<iqii", 8, 0, 0, 1) + document
    return struct.pack("<iiii", 16 + len(body), 1, number, OP_MSG if kind == OP_MSG else OP_REPLY) + body


def damaged(answer, what):
    """What arrives of an answer: all with another length, the frame with nonsense in it, or a part."""
    if what == "length":
        return struct.pack("<i", len(answer) + 2**30) + answer[4:]
    if what == "garbage":
        return answer[:21] + bytes((7 * i + 255) % 256 for i in range(len(answer) - 21))
    return answer[:len(answer) // 2]


class Proxy:
    """Forwards to host:port. trouble(command, what, skip) makes the command that comes after `skip` of its kind

    stall    disappear: nobody answers, and the connection stays open
    refuse   end the connection before the server sees the command
    lose     reach the server, and end the connection instead of the answer
    reset    end it as by a crash
    error    be answered that this is an error (of the code `code`), without reaching the server
    partial  be answered by half of an answer
    length   be answered by a message that says it is longer than it is
    garbage  be answered by a message of nonsense
    late     be answered after a while

    With after=True the server does what it is told before it happens. Command "connect" is the connection itself.
    """

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = 0
        self.seen = []
        self.rules = {}
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def trouble(self, command, what, skip=0, after=False, code=1):
        self.rules[command] = {"what": "refuse" if what == "lose" else what, "skip": skip, "after": after or what == "lose", "code": code,
                               "met": threading.Event()}

    def peace(self, after=None):
        """Ends all trouble, once that of a command has happened: nobody waits for one that is sent ahead."""
        assert after is None or self.rules[after]["met"].wait(20), f"no {after} came"
        self.rules.clear()

    def drop(self):
        """Ends the connections that there are; new ones may come."""
        while self.sockets:
            self._end(self.sockets.pop())

    def close(self):
        self._end(self.listener, *self.sockets)  # shutting down is what wakes a thread that waits

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(client)
            what = self.rules.get("connect", {}).get("what")
            if what == "stall":
                continue
            if what in ("refuse", "reset"):
                self._fail(what, client)
                continue
            if what == "late":
                time.sleep(LATE)
            server = socket.create_connection(self.target)
            self.sockets.append(server)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting = []  # rules for answers that are still to come
            threading.Thread(target=self._commands, args=(client, server, waiting), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, waiting), daemon=True).start()

    def _commands(self, client, server, waiting):
        try:
            while message := self._message(client):
                command = command_of(message)
                self.seen.append(command)
                rule = self.rules.get(command)
                if rule and rule["skip"] > 0:
                    rule["skip"] -= 1
                elif rule:
                    rule["met"].set()
                    if rule["after"]:
                        waiting.append(rule)
                    elif not self._before(rule, message, client, server):
                        continue
                server.sendall(message)
        except OSError:
            pass
        self._end(client, server)

    def _before(self, rule, message, client, server):
        """Misbehaves instead of the server; returns whether the server is to see the command after all."""
        what = rule["what"]
        if what == "late":
            time.sleep(LATE)
            return True
        if what == "stall":
            return False
        if what in ("refuse", "reset"):
            self._fail(what, client, server)
            return False
        document = {"ok": 0.0, "code": rule["code"], "errmsg": "made up by the test"} if what == "error" else {"ok": 1.0, "n": 0, "text": "x" * 50}
        answer = answer_to(message, bson.encode(document))
        client.sendall(answer if what == "error" else damaged(answer, what))
        if what == "partial":
            self._fail("refuse", client, server)
        return False

    def _answers(self, client, server, waiting):
        try:
            while message := self._message(server):
                what = waiting.pop()["what"] if waiting else None
                if what == "stall":
                    continue
                if what in ("refuse", "reset"):
                    self._fail(what, client, server)
                    return
                if what == "late":
                    time.sleep(LATE)
                client.sendall(message if what in (None, "late") else damaged(message, what))
                if what == "partial":
                    break
        except OSError:
            pass
        self._end(client, server)

    @classmethod
    def _fail(cls, what, client, *others):
        if what == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.shutdown(socket.SHUT_RD)  # who is waiting for it to speak keeps it open
            client.close()
            cls._end(*others)
        else:
            cls._end(client, *others)

    @staticmethod
    def _end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    @staticmethod
    def _message(s):
        head = Proxy._exactly(s, 4)
        return head and head + Proxy._exactly(s, struct.unpack("<i", head)[0] - 4)

    @staticmethod
    def _exactly(s, count):
        data = b""
        while len(data) < count:
            part = s.recv(count - len(data))
            if not part:
                return b""
            data += part
        return data
